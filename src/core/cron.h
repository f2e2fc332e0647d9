/*
 * core/cron.h
 *	  Times of the five fields of cron, in a time zone.
 */
#ifndef JO_CRON_H
#define JO_CRON_H

#include "datatype/timestamp.h"
#include "pgtime.h"

typedef struct JoCron
{
	uint64		minutes;		/* bit sets */
	uint32		hours;
	uint32		days;			/* of the month: bits 1 to 31 */
	uint32		months;			/* bits 1 to 12 */
	uint32		weekdays;		/* bits 0 (Sunday) to 6 */
	bool		is_last_day;	/* "$": of the month */
	bool		any_hour;		/* the field begins with "*"; so below */
	bool		any_day;
	bool		any_weekday;
} JoCron;

/* Read the five fields; NULL, or what is wrong with them. */
extern char *jo_cron_parse(const char *text, JoCron *cron);

/* The first time after an instant; DT_NOEND when there is none in nine years. */
extern TimestampTz jo_cron_next(const JoCron *cron, TimestampTz after,
								pg_tz *zone);

#endif							/* JO_CRON_H */
