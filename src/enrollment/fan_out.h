/*
 * enrollment/fan_out.h
 *	  Audiences that have to enter, and the schedules that ask them to.
 */
#ifndef JO_FAN_OUT_H
#define JO_FAN_OUT_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* A row of fan_out, or what becomes one. */
typedef struct JoFanOut
{
	int64		event_id;
	TimestampTz at;
	int32		journey_id;
	int32		version;
	int			depth;
	char	   *event;
	Jsonb	   *payload;
	char	   *last_customer;
	const char *refusal;		/* rule, or NULL */
	char	   *schedule;		/* or NULL: an event asks */
	char	   *audience;		/* of schedule(); NULL: the definition's */
	Oid			owner;			/* of that audience */
} JoFanOut;

/* Name of the event that a schedule's runs see. */
#define JO_SCHEDULE_EVENT "$schedule"

/* fan_out.c, inside SPI as the extension. */
extern void jo_fan_out_insert(const JoFanOut *fan_out);

/* schedule_due.c */

/*
 * Let planned times come that are due by the real clock: one occurrence each,
 * with its fan-out, by the policy of missed ones.  Returns how many audiences
 * are to be told.
 */
extern int64 jo_schedule_run_due(void);

#endif							/* JO_FAN_OUT_H */
