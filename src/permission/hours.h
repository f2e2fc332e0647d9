/*
 * permission/hours.h
 *	  Quiet hours, between the files about them.
 */
#ifndef JO_PERMISSION_HOURS_H
#define JO_PERMISSION_HOURS_H

#include "utils/date.h"

#include "permission/place.h"
#include "permission/scope.h"

/* One rule: from "from" to before "to" of these days' clock it is quiet. */
typedef struct JoHours
{
	const char *name;
	JoRuleScope scope;
	int64		from;			/* microseconds of the day */
	int64		to;				/* not after "from": over midnight */
	int			weekdays;		/* bits of the day on which it begins, 1 << 0
								 * is Sunday */
	bool		on_holidays;	/* and on holidays */
	bool		withholds;		/* else it defers */
	const char *region;			/* or NULL: everywhere */
	DateADT		valid_from;		/* days on which it may begin: from ... */
	DateADT		valid_until;	/* ... to before */
	const char *source;			/* or NULL */
	bool		is_reviewed;
} JoHours;

/* All rules by name, between begin and end. */
extern List *jo_hours_begin(void);
extern void jo_hours_end(void);

/*
 * The end of the quiet stretch of the rule's window that "instant" lies in, in
 * one zone; "instant" itself when it is not quiet.  Exact over clock changes.
 * At the end it may be quiet again, by the next window.  Between
 * jo_holidays_begin() and end.
 */
extern TimestampTz jo_hours_end_of_quiet(const JoHours *hours,
										 const char *region, pg_tz *zone,
										 TimestampTz instant);

/*
 * The first instant from "instant" on at which none of the rules (JoHours *)
 * is quiet in any zone of the place; DT_NOEND when there is none within a year.
 */
extern TimestampTz jo_hours_next_opening(List *rules, const JoPlace *place,
										 TimestampTz instant);

extern void jo_hours_init(void);

#endif							/* JO_PERMISSION_HOURS_H */
