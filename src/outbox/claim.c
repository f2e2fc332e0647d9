/*
 * outbox/claim.c
 *	  claim(): hands messages of one channel to a relay, for a lease.
 *
 * The channel's lock comes first, the snapshot after it, and everything is
 * read with that snapshot: the newest claim of the channel (it holds the
 * channel's position in every lane, and the claims that were still open), what
 * became of the open ones, the messages, the gates.  The lock is held to the
 * end of the transaction, so the next claim sees this one.  Two relays
 * therefore never hold the same message (test/isolation/specs/claim_twice).
 *
 * A claim whose lease ran out is taken apart before anything new is handed out
 * (claim_expired.c).
 *
 * A customer who has an event that the snapshot sees and his lane has not
 * applied gets nothing, because such an event may withdraw the message
 * (test/isolation/specs/claim_fresh).  The lane keeps its place before his
 * first message, so that its messages go out in order.
 *
 * Everything is appended, in this transaction; a claim of nothing appends
 * nothing.  A crash before its commit is on disk forgets the claim, and the
 * messages are offered again.  Messages themselves are flushed before this
 * returns: a relay must never send what a crash could still undo, because the
 * lane would then decide anew.
 *
 * Lock order: channel, then caps, then claims; ack and friends take only a
 * claim's.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "core/clock.h"
#include "outbox/claiming.h"
#include "permission/permission.h"

PG_FUNCTION_INFO_V1(journey_orch_claim);

#define MAX_MESSAGES	10000
#define MAX_RELAY_BYTES 200
#define RECHECK_MS		2		/* between looks at a lane that is behind */

/* Most messages that one claim passes over (withdrawn, expired), and that it
 * tells their lanes of, each by an event (withheld, deferred). */
#define MAX_PASSED_OVER 1000000
#define MAX_TOLD		10000

void
jo_claiming_add_id(JoIdList *list, const pg_uuid_t *id)
{
	if (list->count == list->room)
	{
		list->room = Max(16, list->room * 2);
		list->ids = list->ids == NULL ?
			palloc(list->room * sizeof(pg_uuid_t)) :
			repalloc(list->ids, list->room * sizeof(pg_uuid_t));
	}
	list->ids[list->count++] = *id;
}

JoEvent *
jo_claiming_add_event(JoClaiming *claiming)
{
	if (claiming->nevents == claiming->events_room)
	{
		claiming->events_room = Max(16, claiming->events_room * 2);
		claiming->events = claiming->events == NULL ?
			palloc(claiming->events_room * sizeof(JoEvent)) :
			repalloc(claiming->events,
					 claiming->events_room * sizeof(JoEvent));
	}
	return &claiming->events[claiming->nevents++];
}

bool
jo_claiming_is_fresh(JoClaiming *claiming, TupleTableSlot *slot)
{
	int			lane = DatumGetInt16(slot->tts_values[OUTBOX_LANE]);

	if (jo_claim_freshness < 0)
		return true;
	if (claiming->pending[lane] == NULL)
	{
		claiming->pending[lane] = palloc(sizeof(JoPendingCustomers));
		jo_pending_customers_read(claiming->pending[lane], lane,
								  claiming->snapshot);
	}
	if (!jo_pending_customers_include(claiming->pending[lane],
									  jo_slot_text(slot, OUTBOX_CUSTOMER_ID)))
		return true;
	claiming->left_out = true;
	return false;
}

/* Note that a message at this position is held. */
static void
cover_position(JoClaim *claim, int lane, int64 position, int tries)
{
	JoClaimRange *range = NULL;

	if (claim->nranges > 0)
		range = &claim->ranges[claim->nranges - 1];
	if (range == NULL || range->lane != lane || range->tries != tries ||
		position < range->stop ||
		jo_queue_of_position(position) != jo_queue_of_position(range->start))
	{
		if (claim->nranges % JO_LANES == 0)
			claim->ranges = claim->nranges == 0 ?
				palloc(JO_LANES * sizeof(JoClaimRange)) :
				repalloc(claim->ranges,
						 (claim->nranges + JO_LANES) * sizeof(JoClaimRange));
		range = &claim->ranges[claim->nranges++];
		range->lane = lane;
		range->start = position;
		range->tries = tries;
	}
	range->stop = position + 1;
}

void
jo_claiming_hold(JoClaiming *claiming, TupleTableSlot *slot, int tries)
{
	int			attempt = DatumGetInt32(slot->tts_values[OUTBOX_ATTEMPT]);
	int			room = claiming->held.room;

	if (claiming->claim.claim_id == 0)
		claiming->claim.claim_id = jo_claim_id_next(&claiming->flush);
	jo_claiming_add_id(&claiming->held, jo_slot_uuid(slot, OUTBOX_ID));
	if (room == 0)
		claiming->attempts = palloc(claiming->held.room * sizeof(int16));
	else if (room != claiming->held.room)
		claiming->attempts = repalloc(claiming->attempts,
									  claiming->held.room * sizeof(int16));
	claiming->attempts[claiming->held.count - 1] = attempt;
	if (attempt != 1)
		claiming->has_retry = true;
	if (DatumGetBool(slot->tts_values[OUTBOX_IS_AWAITED]))
		jo_claiming_add_id(&claiming->awaited, jo_slot_uuid(slot, OUTBOX_ID));
	cover_position(&claiming->claim,
				   DatumGetInt16(slot->tts_values[OUTBOX_LANE]),
				   jo_slot_int64(slot, OUTBOX_POSITION), tries);
	jo_flush_note(&claiming->flush, slot);
	if (jo_gates_are_active(claiming->gates) && !claiming->is_remove)
		jo_gates_count(claiming->gates, &claiming->question);
	jo_claiming_return(claiming, slot);
}

void
jo_claiming_pass_over(JoClaiming *claiming, TupleTableSlot *slot, JoGateVerdict verdict)
{
	if (verdict == JO_GATE_WITHDRAWN)
	{
		jo_claiming_add_id(&claiming->withdrawn, jo_slot_uuid(slot, OUTBOX_ID));
		if (claiming->is_audience)
			jo_message_event(jo_claiming_add_event(claiming), "withdrawn", slot,
							 NULL);
		return;
	}
	if (verdict == JO_GATE_WITHHELD)
	{
		jo_claiming_add_id(&claiming->withheld, jo_slot_uuid(slot, OUTBOX_ID));
		jo_claiming_record(claiming, slot);
		jo_withheld_event(jo_claiming_add_event(claiming), slot,
						  &claiming->decision);
		return;
	}
	if (verdict == JO_GATE_DEFERRED)
	{
		JoFailure	reason = {.error = "paused"};

		if (claiming->decision.gate != NULL)
		{
			reason.error = claiming->decision.reason;
			reason.decision = &claiming->decision;
			jo_claiming_record(claiming, slot);
		}
		jo_claiming_add_id(&claiming->deferred, jo_slot_uuid(slot, OUTBOX_ID));
		jo_message_event(jo_claiming_add_event(claiming), "deferred", slot,
						 &reason);
		return;
	}
	jo_claiming_add_id(&claiming->expired, jo_slot_uuid(slot, OUTBOX_ID));
	if (DatumGetBool(slot->tts_values[OUTBOX_IS_AWAITED]))
		jo_message_event(jo_claiming_add_event(claiming), "expired", slot, NULL);
}

/* Hand out what is new in one queue of one lane. */
static void
take_from_lane(JoClaiming *claiming, JoQueue queue, int lane)
{
	int64	   *position = &claiming->claim.positions[queue][lane];
	JoOutboxScan *scan = jo_outbox_scan_begin(claiming->claim.channel, lane,
											  *position,
											  jo_queue_start(queue + 1),
											  claiming->snapshot);
	TupleTableSlot *slot = jo_outbox_scan_next(scan);
	JoGate	   *gate = NULL;

	while (slot != NULL && jo_claiming_is_fresh(claiming, slot))
	{
		JoGateVerdict verdict;

		CHECK_FOR_INTERRUPTS();
		if (gate == NULL)
			gate = jo_gate_begin(lane, claiming->clock, claiming->snapshot);
		verdict = jo_claiming_decide(claiming, gate, slot);
		*position = jo_slot_int64(slot, OUTBOX_POSITION) + 1;
		if (verdict == JO_GATE_PASSED)
			jo_claiming_hold(claiming, slot, 0);
		else
			jo_claiming_pass_over(claiming, slot, verdict);
		if (claiming->held.count >= claiming->max_messages ||
			claiming->withdrawn.count + claiming->expired.count >=
			MAX_PASSED_OVER ||
			claiming->deferred.count + claiming->withheld.count >= MAX_TOLD)
			break;
		slot = jo_outbox_scan_next(scan);
	}
	if (gate != NULL)
		jo_gate_end(gate);
	jo_outbox_scan_end(scan);
}

/*
 * Of a channel with a rate, hand out no more than its bucket has tokens; false
 * when it has none.
 */
static bool
fill_bucket(JoClaiming *claiming, const JoClaim *newest)
{
	JoClaim    *claim = &claiming->claim;

	if (claiming->rate <= 0)
		return true;
	claim->has_tokens = true;
	claim->tokens = jo_rate_tokens(claiming->rate, newest, claim->recorded_at);
	claiming->max_messages = Min(claiming->max_messages, (int) claim->tokens);
	return claiming->max_messages > 0;
}

/*
 * Gather what can be handed out as the claim's snapshot sees it: queue by queue,
 * and in each, lanes take turns: the one after the last that was served comes
 * first.
 */
static void
gather(JoClaiming *claiming)
{
	JoClaim    *claim = &claiming->claim;
	JoClaim    *newest = jo_claim_newest(claim->channel, claiming->snapshot);
	static const JoQueue order[] = JO_QUEUES_IN_ORDER;
	int			first = 0;

	if (newest == NULL)
		jo_claim_reset_positions(claim);
	else
		memcpy(claim->positions, newest->positions, sizeof(claim->positions));
	if (!fill_bucket(claiming, newest))
		return;
	if (newest != NULL)
	{
		jo_claiming_review(claiming, newest);
		if (newest->nranges > 0)
			first = newest->ranges[newest->nranges - 1].lane + 1;
	}
	if (claiming->held.count > 0)
		return;
	for (int i = 0; i < JO_QUEUES * JO_LANES &&
		 claiming->held.count < claiming->max_messages; i++)
	{
		JoQueue		queue = order[i / JO_LANES];

		if (jo_queue_is_in_use(queue))
			take_from_lane(claiming, queue, (first + i) % JO_LANES);
	}
}

/* Forget what a fruitless gathering found. */
static void
start_again(JoClaiming *claiming, const JoClaiming *fresh)
{
	int64		claim_id = claiming->claim.claim_id;

	for (int lane = 0; lane < JO_LANES; lane++)
	{
		if (claiming->pending[lane] != NULL)
			jo_pending_customers_free(claiming->pending[lane]);
	}
	*claiming = *fresh;
	claiming->claim.claim_id = claim_id;
}

/*
 * Gather, and while nothing can be handed out because events are pending, wait
 * for their lanes a moment.  The snapshot that counts stays registered.  Of a
 * channel that is halted nothing is gathered: it keeps its places.
 */
static void
gather_when_fresh(JoClaiming *claiming)
{
	JoClaiming	fresh = *claiming;
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   jo_claim_freshness);

	for (;;)
	{
		claiming->clock = jo_clock_now();
		claiming->claim.recorded_at = GetCurrentTimestamp();
		claiming->snapshot = jo_relay_snapshot();
		if (jo_halt_of_channel(claiming->claim.channel,
							   claiming->snapshot) != NULL)
			return;
		jo_paused_begin(claiming->snapshot);
		claiming->gates = jo_gates_begin(JO_GATE_AT_CLAIM, claiming->clock,
										 claiming->snapshot);
		jo_queues_begin(claiming->snapshot);
		gather(claiming);
		jo_queues_end();
		jo_gates_end(claiming->gates);
		jo_paused_end();
		if (claiming->held.count > 0 || !claiming->left_out ||
			jo_claim_freshness <= 0 || GetCurrentTimestamp() >= deadline)
			return;
		UnregisterSnapshot(claiming->snapshot);
		start_again(claiming, &fresh);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 RECHECK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---- writing ---- */

/* The old claims lose what was offered again or given up. */
static void
write_losses(JoClaiming *claiming)
{
	ListCell   *cell;

	foreach(cell, claiming->losses)
	{
		JoLoss	   *loss = lfirst(cell);
		int			count = loss->reoffered.count;

		if (loss->dead.count > 0)
			jo_claim_outcome_append(loss->claim->claim_id, "dead",
									loss->dead.ids, loss->dead.count,
									JO_NO_TIME,
									jo_failure_detail(loss->error, true));
		if (count > 0)
			jo_claim_outcome_append(loss->claim->claim_id, "reoffered",
									loss->reoffered.ids,
									count + loss->dead.count ==
									loss->claim->remaining ? -1 : count,
									JO_NO_TIME, NULL);
	}
}

static void
write_claim(JoClaiming *claiming, Interval *lease)
{
	JoClaim    *claim = &claiming->claim;

	write_losses(claiming);
	if (claiming->held.count > 0 || claiming->withdrawn.count > 0 ||
		claiming->expired.count > 0 || claiming->withheld.count > 0 ||
		claiming->deferred.count > 0)
	{
		if (claim->claim_id == 0)
			claim->claim_id = jo_claim_id_next(&claiming->flush);
		claim->claimed_at = claiming->clock;
		claim->lease_until =
			DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													TimestampTzGetDatum(claim->recorded_at),
													IntervalPGetDatum(lease)));
		claim->held = claiming->held.ids;
		claim->nheld = claiming->held.count;
		claim->attempts = claiming->has_retry ? claiming->attempts : NULL;
		claim->awaited = claiming->awaited.ids;
		claim->nawaited = claiming->awaited.count;
		claim->tokens -= claiming->held.count;
		jo_claim_append(claim);
	}
	if (claiming->withdrawn.count > 0)
		jo_claim_outcome_append(claim->claim_id, "withdrawn",
								claiming->withdrawn.ids,
								claiming->withdrawn.count, JO_NO_TIME,
								NULL);
	if (claiming->expired.count > 0)
		jo_claim_outcome_append(claim->claim_id, "expired",
								claiming->expired.ids,
								claiming->expired.count, JO_NO_TIME, NULL);
	if (claiming->withheld.count > 0)
		jo_claim_outcome_append(claim->claim_id, "withheld",
								claiming->withheld.ids,
								claiming->withheld.count, JO_NO_TIME, NULL);
	if (claiming->deferred.count > 0)
		jo_claim_outcome_append(claim->claim_id, "deferred",
								claiming->deferred.ids,
								claiming->deferred.count, JO_NO_TIME, NULL);
	jo_claiming_write_records(claiming);
	if (claiming->nevents > 0)
		jo_event_append(claiming->events, claiming->nevents);
}

/* Make durable what is handed out, and, where the session asks for it, wait
 * until it is replicated. */
static void
flush_messages(const JoFlush *flush)
{
	XLogFlush(flush->upto);
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(flush->upto, false);
	RESUME_INTERRUPTS();
}

/* ---- the function ---- */

static void
ensure_arguments(FunctionCallInfo fcinfo)
{
	static const char *const names[] = {"channel", "relay", "max_messages",
	"lease"};

	for (int i = 0; i < lengthof(names); i++)
		if (PG_ARGISNULL(i))
			jo_relay_null("claim", names[i]);
	if (VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(1)) == 0 ||
		VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(1)) > MAX_RELAY_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of a relay must have 1 to %d bytes",
						MAX_RELAY_BYTES)));
	if (PG_GETARG_INT32(2) < 1 || PG_GETARG_INT32(2) > MAX_MESSAGES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_messages must be between 1 and %d, not %d",
						MAX_MESSAGES, PG_GETARG_INT32(2))));
	jo_relay_check_lease(PG_GETARG_INTERVAL_P(3));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("journey_orch.claim() needs isolation level READ COMMITTED"),
				 errdetail("It must see what was committed until it got the lock of the channel."),
				 errhint("Call it in a transaction of its own.")));
}

/* claim(channel, relay, max_messages, lease) → messages */
Datum
journey_orch_claim(PG_FUNCTION_ARGS)
{
	JoClaiming	claiming = {0};

	jo_relay_begin("journey_orch.claim()");
	ensure_arguments(fcinfo);
	claiming.claim.channel = text_to_cstring(PG_GETARG_TEXT_PP(0));
	claiming.claim.relay = text_to_cstring(PG_GETARG_TEXT_PP(1));
	claiming.claim.claimed_by = GetUserId();
	claiming.max_messages = PG_GETARG_INT32(2);
	jo_channel_ensure_claimable(claiming.claim.channel);
	claiming.rate = jo_channel_rate_of(claiming.claim.channel);
	claiming.is_audience = jo_channel_is_of_kind(claiming.claim.channel,
												 "audience");
	InitMaterializedSRF(fcinfo, 0);
	claiming.result = (ReturnSetInfo *) fcinfo->resultinfo;
	claiming.row_context = AllocSetContextCreate(CurrentMemoryContext,
												 "journey_orch.claim row",
												 ALLOCSET_DEFAULT_SIZES);

	jo_channel_describe(claiming.claim.channel, &claiming.channel_kind,
						&claiming.channel_consent);
	claiming.question_context =
		AllocSetContextCreate(CurrentMemoryContext,
							  "journey_orch.claim question",
							  ALLOCSET_SMALL_SIZES);

	jo_journey_names_begin();
	jo_lock(JO_LOCK_CHANNEL, jo_lock_key(claiming.claim.channel));
	jo_caps_lock(claiming.claim.channel);
	gather_when_fresh(&claiming);
	write_claim(&claiming, PG_GETARG_INTERVAL_P(3));
	UnregisterSnapshot(claiming.snapshot);
	jo_journey_names_end();
	if (claiming.held.count > 0)
		flush_messages(&claiming.flush);
	jo_relay_end();
	return (Datum) 0;
}
