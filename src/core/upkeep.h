/*
 * core/upkeep.h
 *	  Upkeep: rooms say how a log of theirs is drained, jo_maintain() does it.
 */
#ifndef JO_UPKEEP_H
#define JO_UPKEEP_H

#include "core/segment.h"

/* How a room keeps one of its logs small. */
typedef struct JoUpkeep
{
	JoFamily	family;
	/* Is there something to do?  Called without any lock, and again with. */
	bool		(*is_due) (const JoSegments *segments);

	/*
	 * Do it, with the lane's lock and a snapshot taken after it; reports each
	 * act with jo_upkeep_report().  Returns how many rows it copied.
	 */
	int64		(*run) (JoSegments *segments);
} JoUpkeep;

/* Make it known; called once, from the room's init function. */
extern void jo_upkeep_register(const JoUpkeep *upkeep);

/*
 * Something else to do in each round, as the extension and under JO_LOCK_SETUP;
 * must be short, and wait for nobody.  True when another round would get
 * further at once.  Called once, from the init function.
 */
typedef bool (*JoUpkeepTask) (void);
extern void jo_upkeep_register_task(JoUpkeepTask task);

/* Hears of one act; "segments" is NULL when it is about no lane. */
typedef void (*JoUpkeepReport) (void *arg, const JoSegments *segments,
								const char *act, const char *detail);

/*
 * Delete rows of "table" that ended long ago, not too many at once, as the
 * extension; returns how many.  Under JO_LOCK_SETUP.
 */
typedef struct JoPrune
{
	const char *table;
	int64		(*run) (void);
} JoPrune;

extern void jo_prune_register(const JoPrune *prune);

/* What is over is kept so long, unless a setting of its own says otherwise. */
#define JO_PRUNE_AFTER (30 * USECS_PER_DAY)

/*
 * For JoPrune.run: execute a DELETE whose $1 is the instant before which rows
 * go; returns how many went.
 */
extern int64 jo_prune_rows(const char *sql, TimestampTz before);

/*
 * Do what upkeep is possible now, in the current transaction, which must be
 * READ COMMITTED and should end soon: the lanes it worked on are held until
 * then.  Never waits for a lane or a reader.  Creates leaves that somebody
 * dropped.  Does nothing where the extension is not installed, nothing was ever
 * declared, or the database is a copy that nobody adopted.  "report" may be
 * NULL.  Returns true when another call, after the commit, would get further
 * at once.
 */
extern bool jo_maintain(JoUpkeepReport report, void *arg);

/* Say what was done; for the functions of a JoUpkeep. */
extern void jo_upkeep_report(const JoSegments *segments, const char *act,
							 const char *detail,...) pg_attribute_printf(3, 4);

/* Say that a segment was drained, and how many rows were copied. */
extern void jo_upkeep_report_drained(const JoSegments *segments, int64 copied);

#endif							/* JO_UPKEEP_H */
