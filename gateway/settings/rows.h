/* Units and bounds as rows of directives write them. Times are microseconds, sizes bytes. */
#ifndef TG_SETTINGS_ROWS_H
#define TG_SETTINGS_ROWS_H

#define MS     INT64_C(1000)
#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define KB     INT64_C(1024)
#define MB     (1024 * KB)

#define RANGE(low, high) .min = (low), .max = (high)

#endif
