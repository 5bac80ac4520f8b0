/* Included before every file of the coverage build: what a process ran is written down also when it ends
 * without exit(). */
#ifndef TG_TESTS_COVERAGE_H
#define TG_TESTS_COVERAGE_H

#include <stdlib.h>
#include <unistd.h>

void __gcov_dump(void); /* libgcov's */

#define _exit(status)      (__gcov_dump(), _exit(status))
#define abort()            (__gcov_dump(), abort())
#define execvp(file, argv) (__gcov_dump(), execvp(file, argv))

#endif
