/* Problems of a configuration as text: lines "[warn] ..." and "[emerg] ...", each with its "\n". */
#ifndef TG_PROCESS_PROBLEMS_H
#define TG_PROCESS_PROBLEMS_H

#include "base/str.h"

/* Writes each line to the error log: warnings as such, the others as errors. */
void tg_problems_log(struct tg_str problems);

/* The first error, without its level and line end, a slice of `problems`; static words when there
 * is none. */
struct tg_str tg_problems_first_error(struct tg_str problems);

#endif
