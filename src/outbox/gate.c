/*
 * outbox/gate.c
 *	  What its journey says of a message before it is handed out.
 *
 * The message may have been withdrawn (its run ended by a goal or exit rule
 * after it was enqueued), it may have expired, or its journey may be paused:
 * then it goes back to its lane, which offers it again when the journey is
 * resumed.  All of it as the claim's snapshot sees it.  What rules about people
 * say comes after (claim_gate.c).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "core/index.h"
#include "core/leaf.h"
#include "outbox/internal.h"
#include "outbox/outbox.h"

/* The index scan of one segment of the lane's withdrawals. */
typedef struct WithdrawalProbe
{
	Relation	relation;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} WithdrawalProbe;

struct JoGate
{
	TimestampTz clock;
	int			nprobes;
	WithdrawalProbe probes[JO_SEGMENTS_MAX];
};

/* Attribute numbers. */
#define WITHDRAWAL_ENROLLMENT_ID	1
#define WITHDRAWAL_BEFORE_POSITION	2

/* Open the withdrawals of a segment; false when there are none. */
static bool
open_probe(WithdrawalProbe *probe, Oid leaf, Snapshot snapshot)
{
	if (!OidIsValid(leaf))
		return false;
	probe->relation = table_open(leaf, AccessShareLock);
	if (RelationGetNumberOfBlocks(probe->relation) == 0)
	{
		table_close(probe->relation, AccessShareLock);
		return false;
	}
	probe->index = jo_index_open(probe->relation, WITHDRAWAL_ENROLLMENT_ID, 0,
								 AccessShareLock);
	probe->scan = index_beginscan(probe->relation, probe->index, snapshot, 1, 0);
	probe->slot = table_slot_create(probe->relation, NULL);
	return true;
}

JoGate *
jo_gate_begin(int lane, TimestampTz clock, Snapshot snapshot)
{
	JoGate	   *gate = palloc(sizeof(JoGate));
	int			segments = jo_leaf_segments(JO_WITHDRAWAL, lane);

	gate->clock = clock;
	gate->nprobes = 0;
	for (int segment = 0; segment < segments; segment++)
	{
		if (open_probe(&gate->probes[gate->nprobes],
					   jo_leaf_oid(JO_WITHDRAWAL, lane, segment), snapshot))
			gate->nprobes++;
	}
	return gate;
}

/* Is there a withdrawal of the run with before_position above "position"? */
static bool
is_withdrawn(WithdrawalProbe *probe, const pg_uuid_t *enrollment_id,
			 int64 position)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(enrollment_id));
	index_rescan(probe->scan, &key, 1, NULL, 0);
	position = jo_position_ordinal(position);
	while (index_getnext_slot(probe->scan, ForwardScanDirection, probe->slot))
	{
		bool		isnull;
		Datum		before = slot_getattr(probe->slot,
										  WITHDRAWAL_BEFORE_POSITION, &isnull);

		if (DatumGetInt64(before) > position)
			return true;
	}
	return false;
}

bool
jo_withdrawal_exists(int lane, const pg_uuid_t *enrollment_id,
					 Snapshot snapshot)
{
	JoGate	   *gate = jo_gate_begin(lane, 0, snapshot);
	bool		exists = false;

	for (int i = 0; i < gate->nprobes && !exists; i++)
		exists = is_withdrawn(&gate->probes[i], enrollment_id, 0);
	jo_gate_end(gate);
	return exists;
}

/* What becomes of the attempt in "slot" if it is handed out now. */
JoGateVerdict
jo_gate_check(JoGate *gate, TupleTableSlot *slot)
{
	for (int i = 0; i < gate->nprobes; i++)
	{
		if (is_withdrawn(&gate->probes[i],
						 jo_slot_uuid(slot, OUTBOX_ENROLLMENT_ID),
						 jo_slot_int64(slot, OUTBOX_POSITION)))
			return JO_GATE_WITHDRAWN;
	}
	if (!slot->tts_isnull[OUTBOX_EXPIRES_AT] &&
		DatumGetTimestampTz(slot->tts_values[OUTBOX_EXPIRES_AT]) <= gate->clock)
		return JO_GATE_EXPIRED;
	if (!jo_slot_is_test(slot) &&
		jo_journey_is_paused(DatumGetInt32(slot->tts_values[OUTBOX_JOURNEY_ID])))
		return JO_GATE_DEFERRED;
	return JO_GATE_PASSED;
}

void
jo_gate_end(JoGate *gate)
{
	for (int i = 0; i < gate->nprobes; i++)
	{
		WithdrawalProbe *probe = &gate->probes[i];

		ExecDropSingleTupleTableSlot(probe->slot);
		index_endscan(probe->scan);
		index_close(probe->index, AccessShareLock);
		table_close(probe->relation, AccessShareLock);
	}
	pfree(gate);
}
