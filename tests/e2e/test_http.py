"""What a client may send, byte by byte: each case says what the client gets and what the upstream
received. Nothing that RFC 9112 leaves in doubt reaches the upstream, and nothing behind it."""

import json

import pytest

from client import Client, ask, request

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
HOST = b"Host: gateway.test\r\n"
BAD = {400}
UNSUPPORTED = {400, 501}
VERSION = {400, 505}


def post(fields, body=b""):
    """POST /x with raw field lines."""
    return b"POST /x HTTP/1.1\r\n" + HOST + fields + b"\r\n" + body


def get(line=b"GET /x HTTP/1.1", fields=HOST):
    """A request without a body, of a raw request line and raw field lines."""
    return line + b"\r\n" + fields + b"\r\n"


def chunked(body):
    """POST /x with a raw chunked body."""
    return post(b"Transfer-Encoding: chunked\r\n", body)


def length(value):
    """A Content-Length with a body that could be a request."""
    return post(b"Content-Length:" + value + b"\r\n", b"hello" + SMUGGLED)


def coding(value):
    """A Transfer-Encoding field with a chunked body and a request behind it."""
    return post(b"Transfer-Encoding:" + value + b"\r\n", b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED)


# name: bytes, statuses allowed. The connection ends and the upstream sees nothing.
REFUSED = {
    # RFC 9112 section 6: Content-Length and Transfer-Encoding
    "length and coding": (post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                               b"0\r\n\r\n" + SMUGGLED), BAD),
    "coding and length": (post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                               b"0\r\n\r\n" + SMUGGLED), BAD),
    "coding and length 0": (post(b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
                                 b"0\r\n\r\n" + SMUGGLED), BAD),
    "lengths differ": (post(b"Content-Length: 5\r\nContent-Length: 0\r\n", b"hello" + SMUGGLED), BAD),
    "lengths agree": (post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello" + SMUGGLED), BAD),
    "lengths apart": (post(b"Content-Length: 5\r\nX: y\r\nCONTENT-LENGTH: 6\r\n", b"hello"), BAD),
    "length empty": (length(b""), BAD),
    "length blank": (length(b"  "), BAD),
    "length plus": (length(b" +5"), BAD),
    "length minus": (length(b" -5"), BAD),
    "length minus zero": (length(b" -0"), BAD),
    "length hex": (length(b" 0x5"), BAD),
    "length letters": (length(b" 5a"), BAD),
    "length two numbers": (length(b" 5 5"), BAD),
    "length list": (length(b" 5, 5"), BAD),
    "length list differs": (length(b" 5,0"), BAD),
    "length list with empty": (length(b" 5,"), BAD),
    "length fraction": (length(b" 5.0"), BAD),
    "length exponent": (length(b" 5e0"), BAD),
    "length quoted": (length(b' "5"'), BAD),
    "length 8-bit digits": (length(b" \xef\xbc\x95"), BAD),
    "length vertical tab": (length(b" \x0b5"), BAD),
    "length 2^64": (length(b" 18446744073709551616"), BAD),
    "length 2^64 + 5": (length(b" 18446744073709551621"), BAD),
    "length 3e19": (length(b" 30000000000000000000"), BAD),
    "length 40 digits": (length(b" " + b"9" * 40), BAD),
    "coding twice in a list": (coding(b" chunked, chunked"), UNSUPPORTED),
    "coding twice in lines": (post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                                   b"0\r\n\r\n" + SMUGGLED), UNSUPPORTED),
    "coding second line identity": (post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"
                                         b"\r\n", b"0\r\n\r\n" + SMUGGLED), UNSUPPORTED),
    "coding first line identity": (post(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"
                                        b"\r\n", b"0\r\n\r\n" + SMUGGLED), UNSUPPORTED),
    "coding gzip": (coding(b" gzip"), UNSUPPORTED),
    "coding gzip, chunked": (coding(b" gzip, chunked"), UNSUPPORTED),
    "coding chunked, gzip": (coding(b" chunked, gzip"), UNSUPPORTED),
    "coding identity": (coding(b" identity"), UNSUPPORTED),
    "coding empty": (coding(b""), UNSUPPORTED),
    "coding comma chunked": (coding(b" ,chunked"), UNSUPPORTED),
    "coding chunked comma": (coding(b" chunked,"), UNSUPPORTED),
    "coding xchunked": (coding(b" xchunked"), UNSUPPORTED),
    "coding chunkedx": (coding(b" chunkedx"), UNSUPPORTED),
    "coding chunk": (coding(b" chunk"), UNSUPPORTED),
    "coding with parameter": (coding(b" chunked;q=1"), UNSUPPORTED),
    "coding quoted": (coding(b' "chunked"'), UNSUPPORTED),
    "coding vertical tab": (coding(b" \x0bchunked"), UNSUPPORTED),
    "coding form feed behind": (coding(b" chunked\x0c"), UNSUPPORTED),
    "coding NUL": (coding(b" chunked\0"), UNSUPPORTED),
    "coding 8-bit": (coding(b" chun\xebed"), UNSUPPORTED),
    "coding folded": (coding(b"\r\n chunked"), BAD),
    "coding folded tab": (coding(b"\r\n\tchunked"), BAD),
    "coding space before colon": (post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
                                  BAD),
    "coding tab before colon": (post(b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
                                BAD),
    "coding bare LF before": (post(b"X: y\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
                              BAD),
    "coding on HTTP/1.0": (b"POST /x HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
                           b"0\r\n\r\n" + SMUGGLED, BAD),
    "coding on HTTP/1.0 keep-alive": (
        b"POST /x HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n" + SMUGGLED, BAD),
    # section 5: fields
    "Connection with 65 options": (get(fields=HOST + b"Connection: a" + b",a" * 64 + b"\r\n"), BAD),
    "Connection with 30,000 commas": (get(fields=HOST + b"Connection: " + b"," * 30000 + b"\r\n"), BAD),
    "field space before colon": (get(fields=HOST + b"A : b\r\n"), BAD),
    "field tab before colon": (get(fields=HOST + b"A\t: b\r\n"), BAD),
    "field leading space, first": (get(fields=b" A: b\r\n" + HOST), BAD),
    "field leading tab, first": (get(fields=b"\tA: b\r\n" + HOST), BAD),
    "field folded": (get(fields=HOST + b"A: b\r\n c\r\n"), BAD),
    "field folded with tab": (get(fields=HOST + b"A: b\r\n\tc\r\n"), BAD),
    "field folded, blank only": (get(fields=HOST + b"A: b\r\n \r\n"), BAD),
    "field NUL in name": (get(fields=HOST + b"A\0B: b\r\n"), BAD),
    "field NUL in value": (get(fields=HOST + b"A: b\0c\r\n"), BAD),
    "field control in value": (get(fields=HOST + b"A: b\x01c\r\n"), BAD),
    "field escape in value": (get(fields=HOST + b"A: \x1b[2J\r\n"), BAD),
    "field DEL in value": (get(fields=HOST + b"A: b\x7fc\r\n"), BAD),
    "field bare CR in value": (get(fields=HOST + b"A: b\rc\r\n"), BAD),
    "field bare CR before a field": (get(fields=HOST + b"A: b\rContent-Length: 5\r\n"), BAD),
    "field bare LF": (get(fields=HOST + b"A: b\nC: d\r\n"), BAD),
    "field line ends CR CR LF": (get(fields=HOST + b"A: b\r\r\n"), BAD),
    "field name empty": (get(fields=HOST + b": b\r\n"), BAD),
    "field without colon": (get(fields=HOST + b"Ab\r\n"), BAD),
    "field name with space": (get(fields=HOST + b"A b: c\r\n"), BAD),
    "field name with parenthesis": (get(fields=HOST + b"A(b): c\r\n"), BAD),
    "field name 8-bit": (get(fields=HOST + b"A\xe9: c\r\n"), BAD),
    "field name quoted": (get(fields=HOST + b'"A": c\r\n'), BAD),
    "lines end with LF": (b"GET /x HTTP/1.1\nHost: gateway.test\n\n" + SMUGGLED, BAD),
    "head ends with LF LF": (b"GET /x HTTP/1.1\r\nHost: gateway.test\n\n" + SMUGGLED, BAD),
    # section 3: request line
    "line two spaces": (get(b"GET  /x HTTP/1.1"), BAD),
    "line two spaces before version": (get(b"GET /x  HTTP/1.1"), BAD),
    "line tab": (get(b"GET\t/x HTTP/1.1"), BAD),
    "line space behind": (get(b"GET /x HTTP/1.1 "), BAD),
    "line space in target": (get(b"GET /x y HTTP/1.1"), BAD),
    "line leading space": (get(b" GET /x HTTP/1.1"), BAD),
    "line NUL": (get(b"GET /x\0y HTTP/1.1"), BAD),
    "line bare CR": (get(b"GET /x\r HTTP/1.1"), BAD),
    "line 8-bit target": (get(b"GET /\xe9 HTTP/1.1"), BAD),
    "line control in target": (get(b"GET /\x01 HTTP/1.1"), BAD),
    "line without version": (get(b"GET /x"), VERSION),
    "HTTP/0.9": (b"GET /x\r\n\r\n", VERSION),
    "HTTP/1.10": (get(b"GET /x HTTP/1.10"), VERSION),
    "HTTP/1.01": (get(b"GET /x HTTP/1.01"), VERSION),
    "HTTP/01.1": (get(b"GET /x HTTP/01.1"), VERSION),
    "HTTP/2.0": (get(b"GET /x HTTP/2.0"), VERSION),
    "HTTP/3": (get(b"GET /x HTTP/3"), VERSION),
    "HTTP/257.257": (get(b"GET /x HTTP/257.257"), VERSION),
    "HTTP/1": (get(b"GET /x HTTP/1"), VERSION),
    "HTTP/1.": (get(b"GET /x HTTP/1."), VERSION),
    "HTTP/.1": (get(b"GET /x HTTP/.1"), VERSION),
    "http/1.1": (get(b"GET /x http/1.1"), VERSION),
    "HTP/1.1": (get(b"GET /x HTP/1.1"), VERSION),
    "HTTP/1.1x": (get(b"GET /x HTTP/1.1x"), VERSION),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VERSION),
    "TLS on the plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", BAD),
    "method with parenthesis": (get(b"GE(T /x HTTP/1.1"), BAD),
    "method with colon": (get(b"GET: /x HTTP/1.1"), BAD),
    "method 8-bit": (get(b"G\xc9T /x HTTP/1.1"), BAD),
    "method missing": (get(b"/x HTTP/1.1"), BAD),
    "method lower case": (get(b"get /x HTTP/1.1"), {501}),
    "method not registered": (get(b"BREW /x HTTP/1.1"), {501}),
    "method too long": (get(b"G" * 500 + b" /x HTTP/1.1"), {501}),
    "TRACE with a body": (b"TRACE /x HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello", BAD),
    "CONNECT": (get(b"CONNECT gateway.test:443 HTTP/1.1"), {501}),
    "CONNECT with a path": (get(b"CONNECT /x HTTP/1.1"), {501}),
    "target without slash": (get(b"GET x HTTP/1.1"), BAD),
    "target authority-form": (get(b"GET gateway.test:80 HTTP/1.1"), BAD),
    "target asterisk": (get(b"GET * HTTP/1.1"), BAD),
    "target asterisk and more": (get(b"OPTIONS *x HTTP/1.1"), BAD),
    "target fragment": (get(b"GET /x#y HTTP/1.1"), BAD),
    "target backslash": (get(b"GET \\x HTTP/1.1"), BAD),
    "target broken escape": (get(b"GET /%zz HTTP/1.1"), BAD),
    "target short escape": (get(b"GET /x%4 HTTP/1.1"), BAD),
    "target encoded NUL": (get(b"GET /x%00 HTTP/1.1"), BAD),
    "target encoded CR LF": (get(b"GET /a%0d%0ab HTTP/1.1"), BAD),
    "target above the root": (get(b"GET /../x HTTP/1.1"), BAD),
    "target above the root, encoded": (get(b"GET /a/%2e%2e/%2E./x HTTP/1.1"), BAD),
    "absolute-form, other scheme": (get(b"GET ftp://gateway.test/x HTTP/1.1"), BAD),
    "absolute-form, user": (get(b"GET http://me@gateway.test/x HTTP/1.1"), BAD),
    "absolute-form, no host": (get(b"GET http:///x HTTP/1.1"), BAD),
    # section 3.2: Host
    "Host missing": (get(fields=b""), BAD),
    "Host missing, others there": (get(fields=b"A: b\r\n"), BAD),
    "Host twice": (get(fields=HOST + b"Host: other.test\r\n"), BAD),
    "Host twice the same": (get(fields=HOST + HOST), BAD),
    "Host missing, absolute-form": (get(b"GET http://gateway.test/x HTTP/1.1", b""), BAD),
    "Host empty": (get(fields=b"Host:\r\n"), BAD),
    "Host with space": (get(fields=b"Host: a b\r\n"), BAD),
    "Host with path": (get(fields=b"Host: a/b\r\n"), BAD),
    "Host with user": (get(fields=b"Host: a@b\r\n"), BAD),
    "Host list": (get(fields=b"Host: a, b\r\n"), BAD),
    "Host port letters": (get(fields=b"Host: a:b\r\n"), BAD),
    "Host port sign": (get(fields=b"Host: a:+80\r\n"), BAD),
    "Host bracket open": (get(fields=b"Host: [::1\r\n"), BAD),
    "Host 8-bit": (get(fields=b"Host: \xe9\r\n"), BAD),
    "Host control": (get(fields=b"Host: a\x01\r\n"), BAD),
    # section 2.2: what stands before the line
    "five empty lines": (b"\r\n" * 5 + get(), BAD),
    "leading LF": (b"\n" + get(), BAD),
    "leading CR": (b"\r" + get(), BAD),
    "leading NUL": (b"\0" + get(), BAD),
    # section 7.1: chunks
    "chunk size empty": (chunked(b"\r\nhello\r\n0\r\n\r\n" + SMUGGLED), BAD),
    "chunk size letters": (chunked(b"x\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size plus": (chunked(b"+5\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size minus": (chunked(b"-5\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size minus zero": (chunked(b"-0\r\n\r\n" + SMUGGLED), BAD),
    "chunk size 0x": (chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size leading space": (chunked(b" 5\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size trailing space": (chunked(b"5 \r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size trailing tab": (chunked(b"5\t\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size 16 digits": (chunked(b"1000000000000005\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size wraps 64 bits": (chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size all f": (chunked(b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size 8-bit digit": (chunked(b"\xb5\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size wide digit": (chunked("５".encode() + b"\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size NUL": (chunked(b"5\0\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size ends with LF": (chunked(b"5\nhello\r\n0\r\n\r\n"), BAD),
    "chunk size ends with CR": (chunked(b"5\rhello\r\n0\r\n\r\n"), BAD),
    "chunk size ends CR CR LF": (chunked(b"5\r\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk data without CR LF": (chunked(b"5\r\nhello0\r\n\r\n" + SMUGGLED), BAD),
    "chunk data ends with LF": (chunked(b"5\r\nhello\n0\r\n\r\n"), BAD),
    "chunk data too long": (chunked(b"5\r\nhello!\r\n0\r\n\r\n"), BAD),
    "chunk extension with LF": (chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk extension with control": (chunked(b"5;a\x01\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk extension too long": (chunked(b"5;" + b"a" * 300 + b"\r\nhello\r\n0\r\n\r\n"), BAD),
    "chunk last ends with LF": (chunked(b"5\r\nhello\r\n0\n\n" + SMUGGLED), BAD),
    "trailer is a request": (chunked(b"0\r\n" + SMUGGLED), BAD),
    "trailer without colon": (chunked(b"0\r\nAb\r\n\r\n"), BAD),
    "trailer space before colon": (chunked(b"0\r\nA : b\r\n\r\n"), BAD),
    "trailer folded": (chunked(b"0\r\nA: b\r\n c\r\n\r\n"), BAD),
    "trailer NUL": (chunked(b"0\r\nA: b\0\r\n\r\n"), BAD),
    "trailer bare LF": (chunked(b"0\r\nA: b\nC: d\r\n\r\n"), BAD),
    "trailers too long": (chunked(b"0\r\n" + b"A: %s\r\n" % (b"b" * 1000) * 9 + b"\r\n"), BAD),
    # limits (contract section 1)
    "target 40 KB": (request(target="/" + "a" * 40000), {414}),
    "target without end": (b"GET /" + b"a" * 200000, {414, 431}),
    "method without end": (b"G" * 200000, {400, 414, 431, 501}),
    "field 40 KB": (request("GET", "/x", None, "A: " + "b" * 40000), {431}),
    "field name 40 KB": (request("GET", "/x", None, "A" * 40000 + ": b"), {431}),
    "fields 150 KB": (request("GET", "/x", None, *["A: " + "b" * 15000] * 10), {431}),
    "1000 fields": (request("GET", "/x", None, *["A: b"] * 1000), {431}),
    "head without end": (b"GET /x HTTP/1.1\r\n" + b"A: bbbbbbbb\r\n" * 20000, {431}),
    # RFC 9110 section 10.1.1
    "expectation unknown": (request("POST", "/x", b"hello", "Expect: 200-ok"), {417}),
    "expectation with more": (request("POST", "/x", b"hello", "Expect: 100-continue, x"), {417}),
}

# name: bytes, what the upstream received. Every request gets its 200, and the connection stays.
FORWARDED = {
    "plain": (get(), ["GET /x"]),
    "query": (get(b"GET /x?a=b&c=%2F HTTP/1.1"), ["GET /x?a=b&c=%2F"]),
    # without a filter the target's bytes go on as they came
    "target encoded slash": (get(b"GET /a%2Fb HTTP/1.1"), ["GET /a%2Fb"]),
    "target encoded backslash": (get(b"GET /a%5cb HTTP/1.1"), ["GET /a%5cb"]),
    "target parameters": (get(b"GET /a;x=1/b HTTP/1.1"), ["GET /a;x=1/b"]),
    "target encoded semicolon": (get(b"GET /a%3bb HTTP/1.1"), ["GET /a%3bb"]),
    "target overlong": (get(b"GET /a%c0%a6b HTTP/1.1"), ["GET /a%c0%a6b"]),
    "target not UTF-8": (get(b"GET /%ff HTTP/1.1"), ["GET /%ff"]),
    "target Chinese": (get(b"GET /%e4%b8%ad%E6%96%87 HTTP/1.1"), ["GET /%e4%b8%ad%E6%96%87"]),
    "target with dots": (get(b"GET /a/./b/../c//d/ HTTP/1.1"), ["GET /a/./b/../c//d/"]),
    "target unreserved encoded": (get(b"GET /%7Eb%2Dc?%41 HTTP/1.1"), ["GET /%7Eb%2Dc?%41"]),
    "target encoded twice": (get(b"GET /a%252Fb HTTP/1.1"), ["GET /a%252Fb"]),
    "length": (length(b" 5"), ["POST /x hello", "GET /smuggled"]),
    "length without space": (length(b"5"), ["POST /x hello", "GET /smuggled"]),
    "length with blanks around": (length(b" \t5 \t"), ["POST /x hello", "GET /smuggled"]),
    "length leading zeros": (length(b" 005"), ["POST /x hello", "GET /smuggled"]),
    "length zero": (post(b"Content-Length: 0\r\n"), ["POST /x"]),
    "length name in capitals": (post(b"CONTENT-LENGTH: 5\r\n", b"hello"), ["POST /x hello"]),
    "body on GET": (b"GET /x HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello" + get(),
                    ["GET /x hello", "GET /x"]),
    "no body on POST": (post(b""), ["POST /x"]),
    "coding": (coding(b" chunked"), ["POST /x hello", "GET /smuggled"]),
    "coding in capitals": (coding(b" CHUNKED"), ["POST /x hello", "GET /smuggled"]),
    "coding mixed case": (coding(b" cHuNkEd"), ["POST /x hello", "GET /smuggled"]),
    "coding without space": (coding(b"chunked"), ["POST /x hello", "GET /smuggled"]),
    "coding tab before": (coding(b"\tchunked"), ["POST /x hello", "GET /smuggled"]),
    "coding blanks behind": (coding(b" chunked \t "), ["POST /x hello", "GET /smuggled"]),
    "coding name in lower case": (post(b"transfer-encoding: chunked\r\n", b"0\r\n\r\n"), ["POST /x"]),
    "chunks": (chunked(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), ["POST /x hello"]),
    "chunk size in capitals": (chunked(b"A\r\n0123456789\r\n0\r\n\r\n"), ["POST /x 0123456789"]),
    "chunk size leading zeros": (chunked(b"0005\r\nhello\r\n000\r\n\r\n"), ["POST /x hello"]),
    "chunk extension": (chunked(b"5;a\r\nhello\r\n0\r\n\r\n"), ["POST /x hello"]),
    "chunk extension with blanks": (chunked(b"5 ; a = b\t;c\r\nhello\r\n0\t;d\r\n\r\n"),
                                    ["POST /x hello"]),
    "chunk extension value": (chunked(b'5;a="b"\r\nhello\r\n0;c\r\n\r\n'), ["POST /x hello"]),
    "chunk holds a request": (chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
                              ["POST /x " + SMUGGLED.decode()]),
    "trailer": (chunked(b"5\r\nhello\r\n0\r\nA: b\r\n\r\n") + get(), ["POST /x hello", "GET /x"]),
    "trailers": (chunked(b"0\r\nA: b\r\nC: d\r\nE:\r\n\r\n") + get(), ["POST /x", "GET /x"]),
    "trailer Content-Length": (chunked(b"0\r\nContent-Length: 5\r\n\r\n") + get(),
                               ["POST /x", "GET /x"]),
    "trailer Host": (chunked(b"0\r\nHost: evil\r\n\r\n") + get(), ["POST /x", "GET /x"]),
    "field empty": (get(fields=HOST + b"A:\r\n"), ["GET /x"]),
    "field 8-bit value": (get(fields=HOST + b"A: \xe9\xff\r\n"), ["GET /x"]),
    "field tab in value": (get(fields=HOST + b"A: b\tc\r\n"), ["GET /x"]),
    "field every token character": (get(fields=HOST + b"!#$%&'*+-.^_`|~0aZ: b\r\n"), ["GET /x"]),
    "100 fields": (get(fields=HOST + b"".join(b"A%d: b\r\n" % i for i in range(99))), ["GET /x"]),
    "Connection with 64 options": (get(fields=HOST + b"Connection: a" + b",a" * 63 + b"\r\n"),
                                   ["GET /x"]),
    "Host with empty port": (get(fields=b"Host: gateway.test:\r\n"), ["GET /x"]),
    "field 30 KB": (get(fields=HOST + b"X-Auth-Token: " + b"t" * 30000 + b"\r\n"), ["GET /x"]),
    "target 30 KB": (get(b"GET /" + b"a" * 30000 + b" HTTP/1.1"), ["GET /" + "a" * 30000]),
    "method with hyphen": (get(b"VERSION-CONTROL /x HTTP/1.1"), ["VERSION-CONTROL /x"]),
    "method of WebDAV": (get(b"PROPPATCH /x HTTP/1.1"), ["PROPPATCH /x"]),
    "method DELETE": (get(b"DELETE /x HTTP/1.1"), ["DELETE /x"]),
    "method TRACE": (get(b"TRACE /x HTTP/1.1"), ["TRACE /x"]),
    "OPTIONS asterisk": (get(b"OPTIONS * HTTP/1.1"), ["OPTIONS *"]),
    "absolute-form": (get(b"GET http://gateway.test/x?y HTTP/1.1"), ["GET /x?y"]),
    "absolute-form https": (get(b"GET https://gateway.test/x HTTP/1.1"), ["GET /x"]),
    "absolute-form in capitals": (get(b"GET HTTP://gateway.test/x HTTP/1.1"), ["GET /x"]),
    "absolute-form without path": (get(b"GET http://gateway.test HTTP/1.1"), ["GET /"]),
    "absolute-form OPTIONS without path": (get(b"OPTIONS http://gateway.test HTTP/1.1"),
                                           ["OPTIONS *"]),
    "absolute-form other Host": (get(b"GET http://other.test/x HTTP/1.1"), ["GET /x"]),
    "Host with port": (get(fields=b"Host: gateway.test:8080\r\n"), ["GET /x"]),
    "Host with sub-delims": (get(fields=b"Host: 0.0.0.0=5000\r\n"), ["GET /x"]),
    "Host IPv6": (get(fields=b"Host: [::1]:8080\r\n"), ["GET /x"]),
    "Host in capitals": (get(fields=b"HOST: GATEWAY.TEST\r\n"), ["GET /x"]),
    "HTTP/1.0 keep-alive": (get(b"GET /x HTTP/1.0", b"Connection: keep-alive\r\n") + get(),
                            ["GET /x", "GET /x"]),
    "HTTP/1.2": (get(b"GET /x HTTP/1.2"), ["GET /x"]),  # RFC 9110 section 2.5
    "one empty line before": (b"\r\n" + get(), ["GET /x"]),
    "four empty lines before": (b"\r\n" * 4 + get(), ["GET /x"]),
    "empty line between": (get() + b"\r\n" + get(b"GET /y HTTP/1.1"), ["GET /x", "GET /y"]),
    "Upgrade to websocket": (get(fields=HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
                             ["GET /x"]),
    "Upgrade to h2c": (get(fields=HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                           b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n"), ["GET /x"]),
    "Expect on a GET without body": (get(fields=HOST + b"Expect: 100-continue\r\n"), ["GET /x"]),
    "Expect in capitals": (post(b"Expect: 100-CONTINUE\r\nContent-Length: 5\r\n", b"hello"),
                           ["POST /x hello"]),
}


def upstream(plain):
    """What the upstream saw, once all that came before has been worked off: a request of ours on
    a connection of its own is answered after it."""
    ask(plain.port, request("GET", "/sentinel"))
    seen = plain.origin.seen()
    plain.origin.forget()
    assert seen[-1] == "GET /sentinel"
    return seen[:-1]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(plain, name):
    """A 4xx or 5xx in the API's shape, the end of the connection, nothing upstream."""
    data, statuses = REFUSED[name]
    plain.origin.forget()
    with Client(plain.port) as client:
        client.send(data)
        answers = client.everything()
    assert len(answers) == 1 and answers[0].status in statuses, [a.start for a in answers]
    assert json.loads(answers[0].body)["is_success"] is False
    assert answers[0].get("Connection") == "close"
    assert upstream(plain) == []


@pytest.mark.parametrize("name", FORWARDED)
def test_forwarded(plain, name):
    """Each request is answered, and the connection is good for one more."""
    data, expected = FORWARDED[name]
    plain.origin.forget()
    with Client(plain.port) as client:
        client.send(data)
        statuses = [client.final().status for _ in expected]
        client.send(request("GET", "/last"))
        statuses.append(client.final().status)
        client.finish()
        assert client.closed()
    assert statuses == [200] * (len(expected) + 1)
    assert upstream(plain) == expected + ["GET /last"]


@pytest.mark.parametrize("data, expected", [
    (post(b"Content-Length: 5\r\n", b"hello"), "POST /x hello"),
    (chunked(b"2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n"), "POST /x hello"),
    (b"\r\n" + get(b"GET http://gateway.test/x?y=%20z HTTP/1.1"), "GET /x?y=%20z"),
], ids=["length", "chunked", "absolute-form"])
def test_every_split(plain, data, expected):
    """A request in two segments, cut at every place, and byte by byte."""
    with Client(plain.port) as client:
        for at in range(1, len(data)):
            client.send(data[:at], data[at:])
            assert client.final().status == 200, f"cut at {at}"
        client.send(*(data[i : i + 1] for i in range(len(data))))
        assert client.final().status == 200
    assert upstream(plain) == [expected] * len(data)


@pytest.mark.parametrize("refused", ["lengths differ", "chunk size minus", "Host twice"])
def test_nothing_behind_a_refusal(plain, refused):
    """A good request, a bad one, a good one: one 200, one 400, the end."""
    with Client(plain.port) as client:
        client.send(get() + REFUSED[refused][0] + get(b"GET /behind HTTP/1.1"))
        assert [a.status for a in client.everything()] == [200, 400]
    assert upstream(plain) == ["GET /x"]
