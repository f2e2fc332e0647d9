/*
 * outbox/claim_expired.c
 *	  What becomes of claims whose lease ran out.
 *
 * The remaining messages are offered again, with the same id and attempt, under
 * the new claim, and the old one loses them (claim_outcome "reoffered"), so that
 * a late ack answers "stale".  JO_LOCK_CLAIM decides between that ack and us.
 *
 * Suspects travel in ever smaller claims (a quarter each time) and never with
 * new messages, so that one message that kills its relay does not take a batch
 * of innocent ones to the dead letters with it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "outbox/claiming.h"

/* Give a message up after too many leases that ran out. */
static void
bury(JoClaiming *claiming, JoLoss *loss, TupleTableSlot *slot, int tries)
{
	JoFailure	failure = {.is_permanent = true};

	loss->error = psprintf("lease expired %d times", tries);
	failure.error = loss->error;
	jo_message_event(jo_claiming_add_event(claiming), "failed", slot, &failure);
	jo_claiming_add_id(&loss->dead, jo_slot_uuid(slot, OUTBOX_ID));
}

/* Offer again what is left of a claim whose lease ran out. */
static void
offer_again(JoClaiming *claiming, JoLoss *loss)
{
	JoHeldScan	scan;
	TupleTableSlot *slot;
	JoGate	   *gate = NULL;
	int			gate_lane = -1;

	jo_held_scan_begin(&scan, loss->claim, claiming->snapshot);
	while ((slot = jo_held_scan_next(&scan)) != NULL)
	{
		JoClaimRange *range = &loss->claim->ranges[scan.range];
		int			tries = range->tries + 1;
		JoGateVerdict verdict;

		CHECK_FOR_INTERRUPTS();
		if (loss->claim->fates[scan.place] != JO_FATE_HELD ||
			!jo_claiming_is_fresh(claiming, slot))
			continue;
		if (claiming->held.count >= Max(1, claiming->max_messages >>
										Min(30, 2 * tries)))
		{
			claiming->is_full = true;
			break;
		}
		if (gate_lane != range->lane)
		{
			if (gate != NULL)
				jo_gate_end(gate);
			gate = jo_gate_begin(range->lane, claiming->clock,
								 claiming->snapshot);
			gate_lane = range->lane;
		}
		verdict = jo_claiming_decide(claiming, gate, slot);
		/* an add that a relay may have done must not seem never handed out */
		if (verdict == JO_GATE_PASSED ? tries >= jo_max_expired_claims :
			claiming->is_audience)
		{
			bury(claiming, loss, slot, tries);
			continue;
		}
		jo_claiming_add_id(&loss->reoffered, jo_slot_uuid(slot, OUTBOX_ID));
		if (verdict == JO_GATE_PASSED)
			jo_claiming_hold(claiming, slot, tries);
		else
			jo_claiming_pass_over(claiming, slot, verdict);
	}
	jo_held_scan_end(&scan);
	if (gate != NULL)
		jo_gate_end(gate);
}

/*
 * Look at an earlier claim, unless this one is full.  Returns true while it still holds messages after
 * this call.
 */
static bool
review_claim(JoClaiming *claiming, int64 claim_id)
{
	JoClaim    *claim;
	Snapshot	latest;
	JoLoss	   *loss;

	if (claiming->is_full)
		return true;
	claim = jo_claim_find(claim_id, claiming->snapshot);
	if (claim == NULL)
		return false;
	jo_claim_read_outcomes(claim, claiming->snapshot);
	if (claim->remaining == 0)
		return false;
	if (claim->lease_until > claiming->claim.recorded_at)
		return true;

	/* whoever holds the lock is settling its messages just now */
	if (!jo_lock_conditional(JO_LOCK_CLAIM, (uint32) claim_id))
		return true;
	latest = jo_relay_snapshot();
	jo_claim_read_outcomes(claim, latest);
	UnregisterSnapshot(latest);
	if (claim->remaining == 0)
		return false;
	if (claim->lease_until > claiming->claim.recorded_at)
		return true;

	loss = palloc0(sizeof(JoLoss));
	loss->claim = claim;
	offer_again(claiming, loss);
	if (loss->reoffered.count > 0 || loss->dead.count > 0)
		claiming->losses = lappend(claiming->losses, loss);
	return claim->remaining > loss->reoffered.count + loss->dead.count;
}

void
jo_claiming_review(JoClaiming *claiming, JoClaim *newest)
{
	JoClaim    *claim = &claiming->claim;

	claim->open_claims = palloc((newest->nopen + 1) * sizeof(int64));
	for (int i = 0; i < newest->nopen; i++)
	{
		if (review_claim(claiming, newest->open_claims[i]))
			claim->open_claims[claim->nopen++] = newest->open_claims[i];
	}
	if (review_claim(claiming, newest->claim_id))
		claim->open_claims[claim->nopen++] = newest->claim_id;
}
