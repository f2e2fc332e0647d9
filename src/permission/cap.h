/*
 * permission/cap.h
 *	  Frequency caps, between the files about them.
 */
#ifndef JO_PERMISSION_CAP_H
#define JO_PERMISSION_CAP_H

#include "datatype/timestamp.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "permission/scope.h"

typedef enum JoCapAction
{
	JO_CAP_CONTINUE,			/* withhold; the run goes on */
	JO_CAP_DEFER,				/* until there is room */
	JO_CAP_EXIT					/* withhold, and the run ends */
} JoCapAction;

typedef struct JoCap
{
	const char *name;
	JoRuleScope scope;
	int			max;			/* messages of one customer ... */
	int64		per;			/* ... in so many microseconds; of a calendar
								 * cap 0 */
	int			days;			/* of a calendar cap: 1 or 7, ... */
	int			months;			/* ... or 1 */
	JoCapAction action;
	bool		needs_review;	/* it names a source and nobody reviewed it */
} JoCap;

/* All caps by name, between begin and end. */
extern List *jo_caps_begin(void);
extern void jo_caps_end(void);

/* The longest time that any cap looks back; 0 without caps.  Between begin and
 * end. */
extern int64 jo_caps_longest(void);

/* ---- cap_use.c: what was handed out ---- */

/* One message that counts. */
typedef struct JoCapUse
{
	TimestampTz at;				/* engine clock, when it was handed out */
	pg_uuid_t	message_id;
	const char *customer_id;	/* only when it is written */
	const char *channel;
	const char *topic;			/* or NULL */
	const char *journey;		/* or NULL */
} JoCapUse;

/*
 * Messages of a customer that were handed out after "since" and not returned,
 * oldest first (JoCapUse), in CurrentMemoryContext.
 */
extern List *jo_cap_uses_read(const char *customer_id, TimestampTz since,
							  Snapshot snapshot);
extern void jo_cap_uses_append(List *uses);

/* Register what the files of caps need: cap.c its cache, cap_use.c its upkeep. */
extern void jo_cap_init(void);
extern void jo_cap_use_init(void);

#endif							/* JO_PERMISSION_CAP_H */
