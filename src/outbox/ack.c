/*
 * outbox/ack.c
 *	  ack(), nack() and extend(): what a relay says about what it holds.
 *
 * Each appends one outcome row, whatever the number of messages, under the
 * claim's lock: the lock decides between a late ack and a claim that offers
 * the messages again (test/isolation/specs/claim_stale), and between two acks of
 * one claim.  What was read before the lock was granted does not count, so
 * outcomes are read with a snapshot taken after it.
 *
 * An ack becomes an event only of messages whose run waits for the outcome; a
 * nack always does, and the engine decides what comes of it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "core/clock.h"
#include "core/errors.h"
#include "outbox/reporting.h"

PG_FUNCTION_INFO_V1(journey_orch_ack);
PG_FUNCTION_INFO_V1(journey_orch_nack);
PG_FUNCTION_INFO_V1(journey_orch_extend);

/*
 * The claim, locked, with its outcomes as *snapshot (registered) sees them.
 * Raises JO005 when there is none, 42501 when somebody else holds it.
 */
static JoClaim *
open_claim(int64 claim_id, Snapshot *snapshot)
{
	JoClaim    *claim;

	jo_lock(JO_LOCK_CLAIM, (uint32) claim_id);
	*snapshot = jo_relay_snapshot();
	claim = jo_claim_find(claim_id, *snapshot);
	if (claim == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_STALE_CLAIM),
				 errmsg("claim " INT64_FORMAT " does not exist", claim_id),
				 errhint("Claim again; a crash of the server may have forgotten it.")));
	if (!has_privs_of_role(GetUserId(), claim->claimed_by) &&
		!jo_is_operator())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for claim " INT64_FORMAT, claim_id),
				 errdetail("Only the role that made it, and operators, may settle it.")));
	jo_claim_read_outcomes(claim, *snapshot);
	return claim;
}

int
jo_claim_get_place(JoClaim *claim, const pg_uuid_t *id)
{
	int			place = jo_claim_place(claim, id);

	if (place < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("message \"%s\" is not part of claim " INT64_FORMAT,
						DatumGetCString(DirectFunctionCall1(uuid_out,
															UUIDPGetDatum(id))),
						claim->claim_id)));
	return place;
}

static const char *
answer(JoFate fate)
{
	switch (fate)
	{
		case JO_FATE_HELD:
			return "ok";
		case JO_FATE_SETTLED:
			return "already";
		case JO_FATE_LOST:
			return "stale";
	}
	return NULL;				/* keep the compiler quiet */
}

/* ---- ack ---- */

/* Those of the receipts that are of nobody who was erased. */
static Jsonb *
drop_erased(JoClaim *claim, Jsonb *receipts, Snapshot snapshot)
{
	bool	   *is_erased = jo_claim_erased(claim, snapshot);
	Jsonb	   *result = receipts;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (is_erased == NULL || !JB_ROOT_IS_OBJECT(receipts))
		return receipts;
	iterator = JsonbIteratorInit(&receipts->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char	   *key;
		pg_uuid_t	id;
		int			place;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		if (!jo_relay_read_uuid(key, &id))
			continue;
		place = jo_claim_place(claim, &id);
		if (place >= 0 && is_erased[place])
			result =
				DatumGetJsonbP(DirectFunctionCall2(jsonb_delete,
												   JsonbPGetDatum(result),
												   CStringGetTextDatum(key)));
	}
	return result;
}

/* {"receipts": receipts} */
static Jsonb *
receipts_detail(Jsonb *receipts)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	value.type = jbvString;
	value.val.string.val = "receipts";
	value.val.string.len = strlen("receipts");
	pushJsonbValue(&state, WJB_KEY, &value);
	value.type = jbvBinary;
	value.val.binary.data = &receipts->root;
	value.val.binary.len = VARSIZE(receipts) - VARHDRSZ;
	pushJsonbValue(&state, WJB_VALUE, &value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Tell the runs that wait: message.sent of each awaited message in acked[]. */
static void
tell_waiting_runs(JoClaim *claim, const bool *acked, Snapshot snapshot)
{
	JoEvent    *events = palloc(claim->nawaited * sizeof(JoEvent));
	int			nevents = 0;
	bool	   *wanted = palloc0(claim->nheld * sizeof(bool));
	int			nwanted = 0;
	JoHeldScan	scan;
	TupleTableSlot *slot;

	for (int i = 0; i < claim->nawaited; i++)
	{
		int			place = jo_claim_place(claim, &claim->awaited[i]);

		if (!acked[place])
			continue;
		wanted[place] = true;
		nwanted++;
	}
	jo_held_scan_begin(&scan, claim, snapshot);
	while (nevents < nwanted && (slot = jo_held_scan_next(&scan)) != NULL)
	{
		if (wanted[scan.place])
			jo_message_event(&events[nevents++], "sent", slot, NULL);
	}
	jo_held_scan_end(&scan);
	if (nevents > 0)
		jo_event_append(events, nevents);
}

/* One row of ack()'s answer. */
static void
return_outcome(ReturnSetInfo *result, const pg_uuid_t *id, JoFate fate)
{
	Datum		values[2];
	bool		isnull[2] = {false, false};

	values[0] = UUIDPGetDatum(id);
	values[1] = CStringGetTextDatum(answer(fate));
	tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	pfree(DatumGetPointer(values[1]));
}

/*
 * Find out which messages the ack settles, and answer for each.  Fills acked[]
 * by place, and ids[] with them; returns how many.
 */
static int
collect_acked(JoClaim *claim, ArrayType *message_ids, ReturnSetInfo *result,
			  bool *acked, pg_uuid_t *ids)
{
	Datum	   *elements;
	bool	   *isnull;
	int			n;
	int			count = 0;

	if (message_ids == NULL)
		n = claim->nheld;
	else
		deconstruct_array(message_ids, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
						  &elements, &isnull, &n);
	for (int i = 0; i < n; i++)
	{
		int			place = i;
		JoFate		fate;

		if (message_ids != NULL && isnull[i])
			jo_relay_null_element("message_ids", i + 1);
		if (message_ids != NULL)
			place = jo_claim_get_place(claim, DatumGetUUIDP(elements[i]));
		fate = claim->fates[place];
		return_outcome(result, &claim->held[place], fate);
		if (fate != JO_FATE_HELD)
			continue;
		claim->fates[place] = JO_FATE_SETTLED;
		acked[place] = true;
		ids[count++] = claim->held[place];
	}
	return count;
}

/* ack(claim_id, message_ids, receipts) → (message_id, outcome) */
Datum
journey_orch_ack(PG_FUNCTION_ARGS)
{
	JoClaim    *claim;
	Snapshot	snapshot;
	JoReceipt  *receipts = NULL;
	int			nreceipts = 0;
	Jsonb	   *detail = NULL;
	bool	   *acked;
	pg_uuid_t  *ids;
	int			count;

	jo_relay_begin("journey_orch.ack()");
	if (PG_ARGISNULL(0))
		jo_relay_null("ack", "claim_id");
	InitMaterializedSRF(fcinfo, 0);
	claim = open_claim(PG_GETARG_INT64(0), &snapshot);
	if (!PG_ARGISNULL(2))
	{
		Jsonb	   *given = drop_erased(claim, PG_GETARG_JSONB_P(2), snapshot);

		receipts = jo_receipts_read(claim, given, &nreceipts);
		detail = receipts_detail(given);
	}

	acked = palloc0(Max(1, claim->nheld) * sizeof(bool));
	ids = palloc(Max(1, claim->nheld) * sizeof(pg_uuid_t));
	count = collect_acked(claim,
						  PG_ARGISNULL(1) ? NULL : PG_GETARG_ARRAYTYPE_P(1),
						  (ReturnSetInfo *) fcinfo->resultinfo, acked, ids);
	if (count > 0)
	{
		jo_claim_outcome_append(claim->claim_id, "acked", ids,
								count == claim->remaining ? -1 : count,
								JO_NO_TIME,
								detail);
		if (claim->nawaited > 0)
			tell_waiting_runs(claim, acked, snapshot);
	}
	jo_receipts_record(claim, receipts, nreceipts, acked);
	UnregisterSnapshot(snapshot);
	jo_relay_end();
	return (Datum) 0;
}

/* ---- nack ---- */

/*
 * Append message.failed of one message of the claim.  What the provider says of
 * somebody who was erased is not kept.
 */
static void
tell_failure(JoClaim *claim, int place, JoFailure *failure,
			 Snapshot snapshot)
{
	JoHeldScan	scan;
	TupleTableSlot *slot;
	JoEvent		event;
	char	   *address = NULL;

	jo_held_scan_begin(&scan, claim, snapshot);
	do
	{
		CHECK_FOR_INTERRUPTS();
		slot = jo_held_scan_next(&scan);
	} while (slot != NULL && scan.place != place);
	if (slot == NULL)
		elog(ERROR, "message %d of claim " INT64_FORMAT " is not in the outbox",
			 place, claim->claim_id);
	if (jo_message_is_erased(slot))
		failure->error = "erased";
	jo_message_event(&event, "failed", slot, failure);
	if (failure->is_hard_bounce)
		address = jo_attempt_address(slot);
	jo_held_scan_end(&scan);
	jo_event_append(&event, 1);
	jo_feedback_suppress(&claim->held[place], claim->channel, address,
						 "hard_bounce");
}

static void
get_failure(FunctionCallInfo fcinfo, JoFailure *failure)
{
	Interval   *retry_after;

	memset(failure, 0, sizeof(JoFailure));
	failure->error = text_to_cstring(PG_GETARG_TEXT_PP(2));
	failure->is_hard_bounce = PG_GETARG_BOOL(5);
	failure->is_permanent = PG_GETARG_BOOL(3) || failure->is_hard_bounce;
	if (PG_ARGISNULL(4))
		return;
	retry_after = PG_GETARG_INTERVAL_P(4);
	failure->has_retry_after = true;
	failure->retry_after = retry_after->time / (double) USECS_PER_SEC +
		((double) retry_after->month * DAYS_PER_MONTH + retry_after->day) *
		SECS_PER_DAY;
	if (failure->retry_after < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retry_after must not be negative")));
	if (failure->is_permanent)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a permanent failure has no retry_after"),
				 errhint("Leave retry_after out, or say permanent => false.")));
}

/* nack(claim_id, message_id, error, permanent, retry_after, hard_bounce) →
 * outcome */
Datum
journey_orch_nack(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"claim_id", "message_id", "error",
	"permanent", NULL, "hard_bounce"};
	JoFailure	failure;
	JoClaim    *claim;
	Snapshot	snapshot;
	JoFate		fate;
	int			place;

	jo_relay_begin("journey_orch.nack()");
	for (int i = 0; i < lengthof(names); i++)
		if (names[i] != NULL && PG_ARGISNULL(i))
			jo_relay_null("nack", names[i]);
	get_failure(fcinfo, &failure);
	claim = open_claim(PG_GETARG_INT64(0), &snapshot);
	place = jo_claim_get_place(claim, PG_GETARG_UUID_P(1));
	fate = claim->fates[place];
	if (fate == JO_FATE_HELD)
	{
		tell_failure(claim, place, &failure, snapshot);
		jo_claim_outcome_append(claim->claim_id, "failed",
								&claim->held[place], 1, JO_NO_TIME,
								jo_failure_detail(failure.error,
												  failure.is_permanent));
	}
	UnregisterSnapshot(snapshot);
	jo_relay_end();
	PG_RETURN_TEXT_P(cstring_to_text(answer(fate)));
}

/* ---- extend ---- */

/* extend(claim_id, lease) → the new end of the lease */
Datum
journey_orch_extend(PG_FUNCTION_ARGS)
{
	JoClaim    *claim;
	Snapshot	snapshot;
	Datum		lease_until;

	jo_relay_begin("journey_orch.extend()");
	if (PG_ARGISNULL(0))
		jo_relay_null("extend", "claim_id");
	if (PG_ARGISNULL(1))
		jo_relay_null("extend", "lease");
	jo_relay_check_lease(PG_GETARG_INTERVAL_P(1));
	claim = open_claim(PG_GETARG_INT64(0), &snapshot);
	UnregisterSnapshot(snapshot);
	if (claim->remaining == 0)
		ereport(ERROR,
				(errcode(ERRCODE_JO_STALE_CLAIM),
				 errmsg("claim " INT64_FORMAT " holds no messages any more",
						claim->claim_id),
				 errdetail("They are settled, or its lease ran out and they were offered again.")));
	lease_until = DirectFunctionCall2(timestamptz_pl_interval,
									  TimestampTzGetDatum(GetCurrentTimestamp()),
									  PG_GETARG_DATUM(1));
	jo_claim_outcome_append(claim->claim_id, "extended", NULL, -1,
							DatumGetTimestampTz(lease_until), NULL);
	jo_relay_end();
	PG_RETURN_DATUM(lease_until);
}
