/*
 * outbox/internal.h
 *	  What the files of this room share with each other and nobody else.
 */
#ifndef JO_OUTBOX_INTERNAL_H
#define JO_OUTBOX_INTERNAL_H

#include "access/xlogdefs.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "capture/capture.h"
#include "core/lane.h"
#include "outbox/outbox.h"
#include "permission/permission.h"

/* Columns of table outbox, in order. */
enum
{
	OUTBOX_ID,
	OUTBOX_CHANNEL,
	OUTBOX_CUSTOMER_ID,
	OUTBOX_TEMPLATE,
	OUTBOX_PAYLOAD,
	OUTBOX_POSITION,
	OUTBOX_ENROLLMENT_ID,
	OUTBOX_EVENT_ID,
	OUTBOX_ENQUEUED_AT,
	OUTBOX_RECORDED_AT,
	OUTBOX_EXPIRES_AT,
	OUTBOX_JOURNEY_ID,
	OUTBOX_VERSION,
	OUTBOX_VISIT,
	OUTBOX_ATTEMPT,
	OUTBOX_LANE,
	OUTBOX_SEGMENT,
	OUTBOX_PRIORITY,
	OUTBOX_IS_AWAITED,
	OUTBOX_STEP,
	OUTBOX_TOPIC,
	OUTBOX_ARM,
	OUTBOX_FAILURES,
	OUTBOX_TIMEZONE,
	OUTBOX_REGION,
	OUTBOX_COLUMNS
};

/* ---- settings (outbox.c) ---- */

extern int	jo_claim_freshness; /* milliseconds */
extern int	jo_max_expired_claims;
extern int	jo_max_poll;		/* milliseconds */
extern bool jo_notify;
extern bool jo_relay_synchronous_commit;

/* ---- channel.c ---- */

extern void jo_channel_init(void);

/* Messages a second, as set_channel() was given it. */
extern double jo_channel_rate(Datum rate);

/* Of the channel; 0: no limit, or no such channel. */
extern double jo_channel_rate_of(const char *name);

/* Its kind and consent, in CurrentMemoryContext.  Raises 42704 without the
 * channel. */
extern void jo_channel_describe(const char *name, char **kind,
								char **consent);

/* Raise 42704 unless there is such a channel. */
extern void jo_channel_ensure_exists(const char *name);

/* Raise 42704 without the channel, 42501 unless the current user may drain
 * it. */
extern void jo_channel_ensure_granted(const char *name);

/* The same, but applications may also report on inboxes and tasks. */
extern void jo_channel_ensure_reportable(const char *name);

extern bool jo_channel_is_of_kind(const char *name, const char *kind);

/* Raise 42704 without the channel, 55000 when it is of another kind. */
extern void jo_channel_ensure_kind(const char *name, const char *kind);

/* As ensure_granted, and 55000 when claim() does not drain it: an inbox, or by
 * change-data-capture. */
extern void jo_channel_ensure_claimable(const char *name);

/* Names of all channels (char *), in CurrentMemoryContext. */
extern List *jo_channel_names(void);

/* Is the current user an operator (or superuser)? */
extern bool jo_is_operator(void);

/* Names of journeys, cached: between begin and end. */
extern void jo_journey_names_begin(void);
extern void jo_journey_names_end(void);

/* NULL when there is none. */
extern const char *jo_journey_name(int32 journey_id);

/* ---- queue.c ---- */

/* Between begin and end the question can be asked, as "snapshot" sees it. */
extern void jo_queues_begin(Snapshot snapshot);
extern bool jo_queue_is_in_use(JoQueue queue);
extern void jo_queues_end(void);
extern void jo_queues_init(void);

/* The queues in the order in which claims look into them. */
#define JO_QUEUES_IN_ORDER {JO_QUEUE_HIGH, JO_QUEUE_NORMAL, JO_QUEUE_LOW}

/* ---- grant.c ---- */

/*
 * Run a statement of ours as the extension; true when it touched a row.  The
 * first column of its first row goes to *first, if wanted.
 */
extern bool jo_channel_write(const char *statement, int nargs, Oid *types,
							 Datum *values, const char *nulls, Datum *first);

/* ---- paused.c ---- */

extern void jo_paused_init(void);

/* Between begin and end the question can be asked, as "snapshot" sees it. */
extern void jo_paused_begin(Snapshot snapshot);
extern void jo_paused_end(void);
extern bool jo_journey_is_paused(int32 journey_id);

/* ---- scan.c: reading the outbox ---- */

typedef struct JoOutboxScan JoOutboxScan;

/*
 * Read the attempts of one channel and lane, in order of position, from
 * "start" to before "stop" (0: no end), over all segments.
 */
extern JoOutboxScan *jo_outbox_scan_begin(const char *channel, int lane,
										  int64 start, int64 stop,
										  Snapshot snapshot);

/* The next attempt, all columns deformed, valid until the next call; NULL at
 * the end. */
extern TupleTableSlot *jo_outbox_scan_next(JoOutboxScan *scan);
extern void jo_outbox_scan_end(JoOutboxScan *scan);

static inline pg_uuid_t *
jo_slot_uuid(TupleTableSlot *slot, int column)
{
	return DatumGetUUIDP(slot->tts_values[column]);
}

static inline int64
jo_slot_int64(TupleTableSlot *slot, int column)
{
	return DatumGetInt64(slot->tts_values[column]);
}

static inline text *
jo_slot_text(TupleTableSlot *slot, int column)
{
	return DatumGetTextPP(slot->tts_values[column]);
}

/* Is it a message of send_test()?  Real ones are of a visit, from 1. */
static inline bool
jo_slot_is_test(TupleTableSlot *slot)
{
	return DatumGetInt32(slot->tts_values[OUTBOX_VISIT]) == 0;
}

/* How far WAL must be flushed for what is handed out. */
typedef struct JoFlush
{
	XLogRecPtr	upto;
	TransactionId last_xid;		/* whose rows are covered by "upto" already */
} JoFlush;

/* Cover the slot's row. */
extern void jo_flush_note(JoFlush *flush, TupleTableSlot *slot);

/* ---- gate.c ---- */

typedef enum JoGateVerdict
{
	JO_GATE_PASSED,
	JO_GATE_WITHDRAWN,
	JO_GATE_EXPIRED,
	JO_GATE_WITHHELD,
	JO_GATE_DEFERRED			/* back to its lane: until the journey
								 * resumes, or the instant that a gate says */
} JoGateVerdict;

/* What the gates of one lane need. */
typedef struct JoGate JoGate;

extern JoGate *jo_gate_begin(int lane, TimestampTz clock, Snapshot snapshot);
extern JoGateVerdict jo_gate_check(JoGate *gate, TupleTableSlot *slot);
extern void jo_gate_end(JoGate *gate);

/* ---- enqueue.c ---- */

/* What jo_message_id_place() wrote. */
extern void jo_message_id_read(const pg_uuid_t *id, int *lane,
							   int64 *position);

/* ---- claim_log.c: rows of claim and claim_outcome ---- */

/* Positions of one lane that messages of a claim lie in. */
typedef struct JoClaimRange
{
	int			lane;
	int64		start;
	int64		stop;			/* position after the last */
	int			tries;			/* claims of it that ran out before */
} JoClaimRange;

/* What a message of a claim has come to. */
typedef enum JoFate
{
	JO_FATE_HELD,
	JO_FATE_SETTLED,			/* acked or failed under this claim */
	JO_FATE_LOST				/* the lease ran out and it was offered again,
								 * or given up */
} JoFate;

typedef struct JoClaim
{
	int64		claim_id;
	TimestampTz claimed_at;
	TimestampTz recorded_at;
	TimestampTz lease_until;	/* extensions included, once outcomes are read */
	Oid			claimed_by;
	char	   *channel;
	char	   *relay;
	bool		has_tokens;		/* the channel had a rate then */
	double		tokens;			/* left in its bucket after the claim */
	int64		positions[JO_QUEUES][JO_LANES];
	int			nopen;
	int64	   *open_claims;
	int			nranges;
	JoClaimRange *ranges;
	int			nheld;
	pg_uuid_t  *held;
	int16	   *attempts;		/* NULL: all 1 */
	int			nawaited;
	pg_uuid_t  *awaited;
	/* by jo_claim_read_outcomes() */
	JoFate	   *fates;			/* by held */
	int			remaining;		/* how many are JO_FATE_HELD */
	struct idhash_hash *index;	/* private: id to place in held */
} JoClaim;

/* The newest claim of a channel, or the claim of that id; NULL when the
 * snapshot sees none.  In CurrentMemoryContext. */
extern JoClaim *jo_claim_newest(const char *channel, Snapshot snapshot);
extern JoClaim *jo_claim_find(int64 claim_id, Snapshot snapshot);

/* Let every queue of every lane begin. */
extern void jo_claim_reset_positions(JoClaim *claim);

/* Fill fates, remaining and lease_until. */
extern void jo_claim_read_outcomes(JoClaim *claim, Snapshot snapshot);

/* Place of a message in held, or -1. */
extern int	jo_claim_place(JoClaim *claim, const pg_uuid_t *id);

/* Append the claim; "awaited" and "attempts" may be NULL. */
extern void jo_claim_append(const JoClaim *claim);

/* Append an outcome.  "count" < 0: of all messages still held.  "lease_until"
 * is JO_NO_TIME but of an extension. */
extern void jo_claim_outcome_append(int64 claim_id, const char *outcome,
									const pg_uuid_t *ids, int count,
									TimestampTz lease_until, Jsonb *detail);

/* A new claim_id, durable once "flush" is flushed. */
extern int64 jo_claim_id_next(JoFlush *flush);

/* ---- rate.c ---- */

/* Tokens in the bucket of a channel, whose newest claim is given, or NULL. */
extern double jo_rate_tokens(double rate, const JoClaim *newest,
							 TimestampTz now);

/* When there is one; "now" if there is. */
extern TimestampTz jo_rate_next(double rate, const JoClaim *newest,
								TimestampTz now);

/* ---- held.c: the outbox rows of a claim ---- */

typedef struct JoHeldScan
{
	JoClaim    *claim;
	Snapshot	snapshot;
	int			range;			/* where the scan is */
	int			place;			/* in held, of the row just returned */
	JoOutboxScan *scan;
} JoHeldScan;

extern void jo_held_scan_begin(JoHeldScan *held, JoClaim *claim,
							   Snapshot snapshot);
extern TupleTableSlot *jo_held_scan_next(JoHeldScan *held);
extern void jo_held_scan_end(JoHeldScan *held);

extern bool jo_message_is_erased(TupleTableSlot *slot);
extern bool *jo_claim_erased(JoClaim *claim, Snapshot snapshot);

/* ---- message_event.c: what the engine is told ---- */

/* Why a message failed, or was given back. */
typedef struct JoFailure
{
	const char *error;
	const JoGateDecision *decision; /* of the gate that deferred it, or NULL */
	bool		is_permanent;
	bool		is_hard_bounce; /* because the address does not exist */
	bool		has_retry_after;
	double		retry_after;	/* seconds */
} JoFailure;

/* Fill in "event" as message.<status> of the slot's attempt; "failure" only of
 * status failed. In CurrentMemoryContext. */
extern void jo_message_event(JoEvent *event, const char *status,
							 TupleTableSlot *slot, const JoFailure *failure);

/* The same as message.withheld, by this decision. */
extern void jo_withheld_event(JoEvent *event, TupleTableSlot *slot,
							  const JoGateDecision *decision);

/* {"error", "permanent"}: the detail of an outcome. */
extern Jsonb *jo_failure_detail(const char *error, bool is_permanent);

/* ---- bell.c ---- */

extern void jo_bell_init(void);

/* Ring at the commit of this transaction. */
extern void jo_bell_pull(void);

/* Sleep until it rings: prepare before the look that finds nothing, so that no
 * ring is missed; leave at the end.  Only if it exists. */
extern bool jo_bell_exists(void);
extern void jo_bell_prepare(void);
extern void jo_bell_sleep(long milliseconds);
extern void jo_bell_leave(void);

/* ---- relay.c: what claim, ack, nack and extend share ---- */

/* Raise unless the transaction may write, and note that it does; "name" is the
 * function for the message. */
extern void jo_relay_begin(const char *name);

/* Nothing of ours follows in this call. */
extern void jo_relay_end(void);

/* The latest snapshot, registered; release it by UnregisterSnapshot(). */
extern Snapshot jo_relay_snapshot(void);

/* Raise 22023 unless 0 < lease <= 1 day. */
extern void jo_relay_check_lease(Interval *lease);

/* Read a uuid in any form that type uuid takes, but without raising. */
extern bool jo_relay_read_uuid(const char *string, pg_uuid_t *uuid);

/* Raise 22004 naming the argument, and the element of an array, from 1. */
extern void jo_relay_null_element(const char *argument, int ordinal)
			pg_attribute_noreturn();

/* Raise 22004 naming the argument. */
extern void jo_relay_null(const char *function, const char *argument)
			pg_attribute_noreturn();

#endif							/* JO_OUTBOX_INTERNAL_H */
