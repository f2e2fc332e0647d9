/*
 * permission/window.h
 *	  The hours in which a channel sends.
 */
#ifndef JO_PERMISSION_WINDOW_H
#define JO_PERMISSION_WINDOW_H

#include "utils/jsonb.h"

#include "core/civil.h"
#include "permission/permission.h"

/*
 * Read {"from": "08:00", "to": "21:00", "weekdays": ["monday", …]}, as a delay's
 * "window" is written, half-open, over midnight where "to" is not after "from";
 * weekdays are those of the day on which it opens and may be left out.  Raises
 * 22023.
 */
extern void jo_window_read(Jsonb *object, JoLocalPattern *pattern);

/*
 * The first instant from "clock" on at which the window is open in all n zones;
 * "clock" itself when it is, DT_NOEND when there is none.
 */
extern TimestampTz jo_window_next(const JoLocalPattern *pattern,
								  pg_tz *const *zones, int n,
								  TimestampTz clock);

/* The same in all zones in which the message may arrive (place.h). */
extern TimestampTz jo_window_next_for(const JoLocalPattern *pattern,
									  const JoGateQuestion *question,
									  TimestampTz clock);

#endif							/* JO_PERMISSION_WINDOW_H */
