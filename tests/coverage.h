/* Included before every file of the coverage build: what a process ran is written down also when it
 * ends without exit(). */
#ifndef TG_TESTS_COVERAGE_H
#define TG_TESTS_COVERAGE_H

#include <stdlib.h>
#include <unistd.h>

void __gcov_dump(void); /* libgcov's; behind a reset it may be called again */
void __gcov_reset(void);

#define _exit(status)      (__gcov_dump(), _exit(status))
#define abort()            (__gcov_dump(), abort())
#define execvp(file, argv) (__gcov_dump(), __gcov_reset(), execvp(file, argv))

#endif
