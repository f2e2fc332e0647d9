/*
 * outbox/claiming.h
 *	  One call of claim(), as its parts share it.
 */
#ifndef JO_OUTBOX_CLAIMING_H
#define JO_OUTBOX_CLAIMING_H

#include "nodes/execnodes.h"

#include "outbox/internal.h"

typedef struct JoIdList
{
	pg_uuid_t  *ids;
	int			count;
	int			room;
} JoIdList;

/* What an earlier claim, whose lease ran out, loses to this one. */
typedef struct JoLoss
{
	JoClaim    *claim;
	JoIdList	reoffered;
	JoIdList	dead;
	char	   *error;			/* of the dead */
} JoLoss;

/* One call of claim(). */
typedef struct JoClaiming
{
	int			max_messages;
	double		rate;			/* of the channel; 0: no limit */
	bool		is_audience;	/* the channel's kind */
	bool		is_remove;		/* the attempt judged last is a remove */
	TimestampTz clock;			/* engine clock */
	Snapshot	snapshot;
	JoClaim		claim;			/* as it will be appended */
	JoIdList	held;
	JoIdList	awaited;
	JoIdList	withdrawn;
	JoIdList	expired;
	JoIdList	withheld;
	JoIdList	deferred;
	int16	   *attempts;		/* of held; room is held.room */
	bool		has_retry;		/* one of them is not 1 */
	List	   *losses;			/* of JoLoss */
	JoEvent    *events;
	int			nevents;
	int			events_room;
	JoPendingCustomers *pending[JO_LANES];	/* NULL: not looked at */
	char	   *channel_kind;
	char	   *channel_consent;
	JoGates    *gates;			/* of the snapshot, while gathering */
	JoGateQuestion question;	/* about the attempt judged last ... */
	JoGateDecision decision;	/* ... and the answer; "gate" NULL: no gate's */
	MemoryContext question_context;
	JoGateRecord *records;		/* what did not allow */
	int			nrecords;
	int			records_room;
	bool		left_out;		/* a message waits for a pending event */
	bool		is_full;		/* no more suspects this time */
	JoFlush		flush;
	ReturnSetInfo *result;
	MemoryContext row_context;
} JoClaiming;

extern void jo_claiming_add_id(JoIdList *list, const pg_uuid_t *id);

/* The next free event of those to append at the end. */
extern JoEvent *jo_claiming_add_event(JoClaiming *claiming);

/* Has the attempt's lane applied every event of its customer that the snapshot
 * sees? */
extern bool jo_claiming_is_fresh(JoClaiming *claiming, TupleTableSlot *slot);

/* Hand the attempt out; "tries" leases of it ran out before. */
extern void jo_claiming_hold(JoClaiming *claiming, TupleTableSlot *slot,
							 int tries);

/* ---- claim_gate.c ---- */

/* What becomes of the attempt if it is handed out now. */
extern JoGateVerdict jo_claiming_judge(JoClaiming *claiming, JoGate *gate,
									   TupleTableSlot *slot);

/* Keep the decision on the attempt judged last. */
extern void jo_claiming_record(JoClaiming *claiming, TupleTableSlot *slot);
extern void jo_claiming_write_records(JoClaiming *claiming);

/* ---- claim.c ---- */

/* Pass over a message that a gate stopped; its run may wait for it. */
extern void jo_claiming_pass_over(JoClaiming *claiming, TupleTableSlot *slot,
								  JoGateVerdict verdict);

/* ---- audience.c ---- */

/* What becomes of the attempt if it is handed out now. */
extern JoGateVerdict jo_claiming_decide(JoClaiming *claiming, JoGate *gate,
										TupleTableSlot *slot);

/* ---- claim_row.c ---- */

/* Put the attempt into the result set. */
extern void jo_claiming_return(JoClaiming *claiming, TupleTableSlot *slot);

/* ---- claim_expired.c ---- */

/*
 * Look at the claims that were open at the newest one, and at itself: keep
 * those that still hold messages in claim.open_claims, and offer again what
 * those hold whose lease ran out.
 */
extern void jo_claiming_review(JoClaiming *claiming, JoClaim *newest);

#endif							/* JO_OUTBOX_CLAIMING_H */
