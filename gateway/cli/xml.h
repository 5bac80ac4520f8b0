/* Text in XML documents: the JUnit reports of `eval` and `test`. */
#ifndef TG_CLI_XML_H
#define TG_CLI_XML_H

#include "base/buf.h"

/* Appends text that may stand in content and in quoted attributes. Most controls cannot be written
 * in XML (XML 1.0 section 2.2): they, all else a terminal would act on, and bytes that are not
 * UTF-8 become U+FFFD. */
void tg_xml_add(struct tg_buf *out, struct tg_str text);

/* Appends ` time="SECONDS"`, the attribute of a JUnit report, for microseconds. */
void tg_xml_add_time(struct tg_buf *out, uint64_t us);

#endif
