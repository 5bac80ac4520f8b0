/*
 * Invariants. CHECK() states what the code itself guarantees; a false one is a bug, so the process
 * stops with a line that says where, in release builds too. Bytes from outside (sockets, files,
 * command line) are never CHECKed: they get an error.
 */
#ifndef TG_BASE_CHECK_H
#define TG_BASE_CHECK_H

/*
 * Writes "TIME [emerg] PID check: FILE:LINE: FUNCTION: CHECK(WHAT) failed" to the place of
 * tg_check_output() and aborts. Calls nothing of the gateway: a CHECK of the clock or of the log
 * itself says its line, too.
 */
_Noreturn void tg_check_failed(const char *what, const char *file, int line, const char *function);

/* Where a failed CHECK writes: a descriptor that stays open. Standard error before the first call;
 * the error log sends the line to its own file. */
void tg_check_output(int fd);

#define CHECK(cond)                                                                                \
    (__builtin_expect(!!(cond), 1) ? (void)0 : tg_check_failed(#cond, __FILE__, __LINE__, __func__))

/* A branch that cannot be reached, whatever comes from outside. */
#define TG_UNREACHABLE() tg_check_failed("unreachable", __FILE__, __LINE__, __func__)

/* Objects that travel through a `void *` begin with `uint32_t magic`; a cast back checks it. */
#define CHECK_MAGIC(object, value) CHECK((object) != NULL && (object)->magic == (value))

#endif
