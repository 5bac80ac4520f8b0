"""Documents made at random, as text: spelled in every way JSON allows, right and wrong as configs."""

import json

BLANKS = ["", "", "", " ", "  ", "\n", "\n    ", "\t", "\r\n  "]
PATHS = ["/bucket/a/", "/bucket/a", "obs://bucket/a/b/", "s3://bucket/x", "obs://", "/b", "",
         "/bucket/你好/", "bucket", "obs:/bucket/x"]
INTEGERS = ["0", "1", "7", "9007199254740993", "9223372036854775807", '"7"', '"0"', '"-1"',
            '"07"', '"9223372036854775808"', "-1", "1.0", "1e3", "-0", "null", "true", '"x"']
VALUES = ["0.01", "1e-5", "1.0", "-0", "123456789012345678901234567890", '"32"', '""', "true",
          "null", "[]", "{}", '"\\u4f60\\/\\ud83d\\ude00"', "1E+2"]
RESPONSE = {"is_success": "true", "engine_type": "1", "engine_name": '"TF"', "cpu": '"8"',
            "create_time": "1559045426000", "pool_name": "null", "gpu_num": "[1, 2]"}


class Maker:
    """Makes documents with one source of randomness."""

    def __init__(self, random):
        self.random = random

    def blank(self):
        """White space, or none."""
        return self.random.choice(BLANKS)

    def string(self, text):
        """A string, now and then with escapes nobody needs."""
        if self.random.random() < 0.8:
            return json.dumps(text, ensure_ascii=False)
        out = [f"\\u{ord(c):04x}" if ord(c) < 0x10000 and self.random.random() < 0.3
               else "\\/" if c == "/" else json.dumps(c, ensure_ascii=False)[1:-1] for c in text]
        return '"' + "".join(out) + '"'

    def object(self, members):
        """An object of (name, text) pairs."""
        parts = [self.blank() + self.string(name) + self.blank() + ":" + self.blank() + text
                 + self.blank() for name, text in members]
        return "{" + (",".join(parts) if parts else self.blank()) + "}"

    def array(self, texts):
        """An array of texts."""
        return "[" + ",".join(self.blank() + t + self.blank() for t in texts) + "]"

    def parameter(self):
        """One element of `parameter`."""
        names = self.random.choice([["label"], ["key"], ["key"], ["key", "label"],
                                    ["label", "key"], []])
        same = self.random.random() < 0.7
        members = [(n, self.string("lr" if same else n)) for n in names]
        members.append(("value", self.random.choice(VALUES)))
        if self.random.random() < 0.2:
            members.append(("tip", "null"))
        self.random.shuffle(members)
        return self.object(members)

    def source(self):
        """One element of `data_source`."""
        if self.random.random() < 0.5:
            return self.object([("type", '"obs"'),
                                ("data_url", self.string(self.random.choice(PATHS)))])
        return self.object([("type", '"dataset"'), ("dataset_id", '"a"'),
                            ("dataset_version", '"b"')])

    def member(self, name):
        """The text of a member's value."""
        choose = self.random.choice
        if name in ("worker_server_num", "spec_id", "model_id", "engine_id"):
            return choose(INTEGERS)
        if name.endswith("_url"):
            return choose([self.string(choose(PATHS)), self.string(choose(PATHS)), "null"])
        if name == "parameter":
            return self.array(self.parameter() for _ in range(self.random.randrange(4)))
        if name == "data_source":
            return self.array(self.source() for _ in range(self.random.randrange(3)))
        return choose(['"text"', "null", '""', "{ }", '{"a~b": {"/": [1.50, -0.0]}}'])

    def document(self):
        """A whole body."""
        pool = ["worker_server_num", "spec_id", "model_id", "engine_id", "app_url", "train_url",
                "boot_file_url", "data_url", "log_url", "parameter", "data_source", "config_desc",
                "user_image_url", "user_command", "wroker_num", "notification"]
        names = self.random.sample(pool, self.random.randrange(len(pool)))
        members = [(n, self.member(n)) for n in names]
        members += self.random.sample(sorted(RESPONSE.items()), self.random.randrange(4))
        self.random.shuffle(members)
        return self.blank() + self.object(members) + self.blank()

    def good(self):
        """A body that passes, after changes: what wrong members there are is left out."""
        members = [("worker_server_num", self.random.choice(["1", '"2"'])),
                   ("spec_id", self.random.choice(["7", '"9007199254740993"'])),
                   ("app_url", self.string(self.random.choice(["/bucket/a/", "obs://bucket/a/"]))),
                   ("boot_file_url", self.string("s3://bucket/a/boot.py")),
                   ("data_url", self.string("obs://bucket/d/")),
                   ("parameter", self.array([self.object([("key", '"a"'), ("value", "1e-5")]),
                                             self.object([("value", "-0.50"), ("label", '"b"')])])),
                   ("log_url", "null")]
        members += self.random.sample(sorted(RESPONSE.items()), self.random.randrange(4))
        self.random.shuffle(members)
        return self.blank() + self.object(members) + self.blank()

    def damage(self, data):
        """The bytes with a few of them changed."""
        data = bytearray(data)
        for _ in range(self.random.randrange(1, 4)):
            at = self.random.randrange(len(data))
            kind = self.random.randrange(4)
            if kind == 0:
                data[at] = self.random.choice(b'{}[],:"\\u0-+.eE\x00\x1f \xff\xc0\x80tfn')
            elif kind == 1:
                del data[at]
            elif kind == 2:
                data.insert(at, self.random.choice(b'{}[],:"\\u0-+.eE\xef\xbb\xbf \n'))
            else:
                data[at:at] = self.random.choice([b"\\ud800", b"\\udc00", b'"spec_id":1,', b"01",
                                                  b"\xed\xa0\x80", b"\xc3\xa9", b"1e5", b"NaN"])
            data = data or bytearray(b" ")
        return bytes(data)


class Raw:
    """Every value of a text by its RFC 6901 pointer, as it is written: the name with what stands
    before it, what stands between name and value, and the value."""

    def __init__(self, text):
        self.text = text
        self.at = 0
        self.found = {}
        self.value("", "", "")

    def blanks(self):
        """Skips white space and returns it."""
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1
        return self.text[start:self.at]

    def string(self):
        """Skips a string and returns its text."""
        start = self.at
        self.at += 1
        while self.text[self.at] != '"':
            self.at += 2 if self.text[self.at] == "\\" else 1
        self.at += 1
        return self.text[start:self.at]

    def value(self, pointer, name, between):
        """Takes the value at `at`; what stands inside it is also taken by itself."""
        self.blanks()
        start = self.at
        first = self.text[self.at]
        if first == '"':
            self.string()
        elif first in "{[":
            self.inside(pointer, first)
        else:
            while self.at < len(self.text) and self.text[self.at] not in ",]} \t\r\n":
                self.at += 1
        self.found[pointer] = (name, between, self.text[start:self.at])

    def inside(self, pointer, bracket):
        """Takes the members or elements of a container."""
        self.at += 1
        index = 0
        while True:
            blanks = self.blanks()
            if self.text[self.at] in "}]":
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
                continue
            if bracket == "{":
                name = self.string()
                key = json.loads(name).replace("~", "~0").replace("/", "~1")
                start = self.at
                self.blanks()
                self.at += 1
                between = self.text[start:self.at] + self.blanks()
                self.value(f"{pointer}/{key}", blanks + name, between)
            else:
                self.value(f"{pointer}/{index}", blanks, "")
                index += 1
