/*
 * What systemd wants to hear from a service (sd_notify(3)), said without its library. Without
 * NOTIFY_SOCKET in the environment nothing happens.
 */
#ifndef TG_PROCESS_SYSTEMD_H
#define TG_PROCESS_SYSTEMD_H

#include <stdint.h>

/* Sends lines of state: "READY=1", "RELOADING=1\nMONOTONIC_USEC=...". */
void tg_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often the watchdog wants to hear from this process at the latest, microseconds (half of
 * WATCHDOG_USEC), or -1 when it does not. */
int64_t tg_systemd_interval(void);

#endif
