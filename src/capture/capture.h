/*
 * capture/capture.h
 *	  The event log: who writes it, and how a lane reads it.
 */
#ifndef JO_CAPTURE_H
#define JO_CAPTURE_H

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"

#include "core/snapshot.h"

/* Kinds of an event row. */
#define JO_EVENT_KIND_EVENT		'e' /* from a watch or emit() */
#define JO_EVENT_KIND_COMMAND	'c' /* enter, leave, interventions, control */
#define JO_EVENT_KIND_MESSAGE	'm' /* message.<status>: a report of a relay */

/*
 * What a run of the engine causes is applied by the batch that writes it, as
 * the customer's next input: the log keeps it under the same letter in upper
 * case, and no window ever reads it.
 */
#define JO_EVENT_KIND_CAUSED_EVENT		'E'
#define JO_EVENT_KIND_CAUSED_COMMAND	'C'
#define JO_EVENT_KIND_CAUSED_MESSAGE	'M'

static inline bool
jo_event_is_applied(char kind)
{
	return kind >= 'A' && kind <= 'Z';
}

/* Names of commands; names of users' events never begin with '$'. */
#define JO_COMMAND_ENTER		"$enter"
#define JO_COMMAND_LEAVE		"$leave"
#define JO_COMMAND_APPROVE		"$approve"
#define JO_COMMAND_REDELIVER	"$redeliver"	/* a dead letter, again */
#define JO_COMMAND_DISCARD		"$discard"	/* or never */
#define JO_COMMAND_CHILD_ENDED	"$child_ended"	/* to the run that waits for
												 * it */
#define JO_COMMAND_TEST			"$test" /* hand this test message out */
#define JO_COMMAND_PLAN			"$plan" /* look at the customer's dates;
										 * customer_id '': at those of all */
#define JO_COMMAND_DATE			"$date" /* such a date has come: enter */
#define JO_COMMAND_FORGET		"$forget"	/* the customer is erased; see
											 * permission/erasure.h */
#define JO_CONTROL_TRUNCATE		"$truncate" /* customer_id '', payload
											 * {"relation": …} */

/*
 * Watch a relation for the engine: what changes becomes a command of this name,
 * which begins with '$', without payload.  One relation a name: another one is
 * watched no more.  Without "changes" only says whether that is so already.
 * False when it is not, or when the expressions do not compile as the relation's
 * owner.  Takes ShareRowExclusiveLock on the relation if there is something to
 * change.
 */
extern bool jo_watch_own(Oid relid, const char *event,
						 const char *customer_sql, const char *condition_sql,
						 bool changes);
extern void jo_unwatch_own(const char *event);

/* Longest customer id and longest event name, in bytes. */
#define JO_CUSTOMER_BYTES	1000
#define JO_EVENT_NAME_BYTES	200

/* One event, as appended and as read.  Strings are in the server encoding. */
typedef struct JoEvent
{
	int64		seq;			/* event_id; drawn by the append unless not 0 */
	FullTransactionId xid;		/* filled by reading */
	TimestampTz instant;		/* 0 on append: the engine clock */
	TimestampTz recorded_at;
	TimestampTz occurred_at;	/* valid if has_occurred_at */
	int32		watch_id;		/* 0: none */
	char		kind;
	bool		has_occurred_at;
	char	   *customer_id;
	char	   *name;
	Jsonb	   *payload;		/* or NULL */
	char	   *trace;			/* or NULL */
	int			control_lane;	/* on append, with customer_id '': whose lane
								 * it is for */
	/* below: filled by reading, ignored by the append */
	int			depth;			/* how many runs have caused each other to get
								 * here without time passing */
	int64		act_seq;		/* ticket by which definitions are looked up:
								 * that of the event it goes back to */
	int64		identity;		/* what ids of runs are computed from: seq, or
								 * for a caused event a hash of its cause */
} JoEvent;

/*
 * While a run of the engine executes an author's statement: what events
 * captured from it go back to.  NULL otherwise.
 */
typedef struct JoEventCause
{
	TimestampTz instant;		/* engine clock of the run */
	int			depth;			/* of the events captured */
} JoEventCause;

extern const JoEventCause *jo_event_cause;

/* Beginning of "trace" where the engine itself caused the event. */
#define JO_TRACE_DEPTH "depth="

/*
 * Append events in the caller's transaction, in order, and ring the lanes at
 * commit.  Tickets are drawn now.  No privileges are looked at.
 */
extern void jo_event_append(JoEvent *events, int n);

/* Most tickets that one call of jo_event_ticket() gives: a block of event_seq. */
#define JO_TICKET_BLOCK 64

/*
 * Draw "n" <= JO_TICKET_BLOCK consecutive capture tickets; returns the first.
 * A block is never shared by two statements, so that a later statement always
 * gets larger tickets than every statement that was finished before it.
 */
extern int64 jo_event_ticket(int n);

/*
 * The same append, row by row: nothing is kept of an event after
 * jo_event_write(), which draws its ticket, fills seq, instant and recorded_at
 * in "event", and marks the lane.  Begin, writes and end belong to one
 * statement and one (sub)transaction; "end" is not called on error paths.
 * A writer draws tickets as it goes and lives in CurrentMemoryContext.
 */
typedef struct JoEventWriter JoEventWriter;

extern JoEventWriter *jo_event_writer_begin(void);
extern int64 jo_event_write(JoEventWriter *writer, JoEvent *event);
extern void jo_event_writer_end(JoEventWriter *writer);

/*
 * Claim a caller's key.  True: the key is new (or older than
 * journey_orch.idempotency_horizon) and now stands for "*event_id"; the caller
 * appends the event with that ticket.  False: *event_id is set to what the key
 * stands for.  Waits for a transaction that claimed the key and is not
 * finished.  Raises ERRCODE_JO_IDEMPOTENCY_CONFLICT when the key was used with
 * another body.  "body" is hashed, never stored.
 */
extern bool jo_idempotency_claim(const char *name, const char *key,
								 const StringInfo body, int64 *event_id);

/* Setting journey_orch.idempotency_horizon, in seconds. */
extern int	jo_idempotency_horizon;

/*
 * Called with the bit set of lanes that got events in this transaction, after
 * commit: set by the worker room (rings latches through shared memory).  NULL:
 * nobody listens.
 */
typedef void (*JoLaneRing) (uint32 lanes);
extern JoLaneRing jo_lane_ring;

/* Remember that this transaction gave these lanes work (also for settled
 * subtransactions); rung once at commit.  Bit i is lane i. */
extern void jo_lane_mark(uint32 lanes);

/* ---- reading (cursor.c, window.c, pending.c) ---- */

typedef struct JoLaneCursor
{
	int			lane;
	int64		batch;			/* 0: the lane has not begun */
	int64		seq;
	TimestampTz clock;
	int32		clock_epoch;
	TimestampTz timer_due;
	int64		timer_id;
	int64		next_timer;
	int64		next_outbox;
	int64		applied;
	int64		entered;
	int64		ended;
	int64		advances;
	int64		parked;			/* runs that are parked now */
	int32		incarnation;
	JoSnapshot	s1;
	bool		has_s2;
	JoSnapshot	s2;
	bool		moved;			/* in memory: reading has passed entries,
								 * visible or not, or ended a window */
} JoLaneCursor;

/* Newest cursor of a lane visible to "snapshot" (in CurrentMemoryContext). */
extern void jo_lane_cursor_read(int lane, Snapshot snapshot, JoLaneCursor *cursor);

/* Append the cursor of the next batch. */
extern void jo_lane_cursor_append(const JoLaneCursor *cursor, int worker);

/* Why reading a window stopped. */
typedef enum JoWindowEnd
{
	JO_WINDOW_EXHAUSTED,		/* nothing that the snapshot sees remains */
	JO_WINDOW_CUT,				/* at the limit, or a newer window may follow */
	JO_WINDOW_HELD				/* before an event later than "until" */
} JoWindowEnd;

/*
 * Read at most "limit" events of the lane that are visible to "snapshot" and
 * not yet applied, in order of seq, up to the first whose instant is later
 * than "until", and fewer when their payloads are large; move "cursor" (in memory) past them.  Returns how many.
 */
extern int	jo_event_window_read(JoLaneCursor *cursor, Snapshot snapshot,
								 int limit, TimestampTz until,
								 JoEvent **events, JoWindowEnd *end);

/* Is anything of this customer wanted?  Called with a buffer locked: it only
 * looks at what it has in memory. */
typedef bool (*JoCustomerFilter) (const char *customer, int length, void *arg);

/*
 * Read the events of the lane's customers that "wants" that are visible to
 * "snapshot" and not yet applied, those of the current transaction included, in
 * order of seq.  The others are not even copied: a lane may be far behind.
 */
extern int	jo_event_pending_read(const JoLaneCursor *cursor, Snapshot snapshot,
								  JoCustomerFilter wants, void *arg,
								  JoEvent **events);

/*
 * The customers, as strings, of the lane's pending events that the current
 * transaction has captured.
 */
extern List *jo_event_own_customers(const JoLaneCursor *cursor,
									Snapshot snapshot);

/*
 * True when the lane, as "now" sees it, has applied every event that had been
 * committed when "upto" was taken (jo_snapshot_take in snapshot.h).
 */
extern bool jo_lane_has_applied(int lane, const JoSnapshot *upto, Snapshot now);

/*
 * The customers of the events that a snapshot sees and the lane has not
 * applied: hashes, sorted, so that another customer may seem to be among them
 * but never the other way round.
 */
typedef struct JoPendingCustomers
{
	bool		is_everybody;	/* too many to tell, or an event of nobody */
	int			count;
	uint64	   *hashes;
} JoPendingCustomers;

/* In CurrentMemoryContext.  Events of the own transaction do not count. */
extern void jo_pending_customers_read(JoPendingCustomers *pending, int lane,
									  Snapshot snapshot);
extern bool jo_pending_customers_include(const JoPendingCustomers *pending,
										 const text *customer);

/* Free what reading allocated. */
extern void jo_pending_customers_free(JoPendingCustomers *pending);

extern void jo_capture_init(void);

#endif							/* JO_CAPTURE_H */
