/*
 * permission/gate_erasure.c
 *	  Gate "erasure": the message is of somebody who is erased, or being so.
 *
 * At the claim only.  What is enqueued is enqueued by the customer's lane, and
 * the batch that sees the tombstone ends him before it does anything else, so
 * whoever has a message enqueued after it is a new person of the same id.
 */
#include "postgres.h"

#include "access/table.h"
#include "storage/bufmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"

#include "core/leaf.h"
#include "permission/erasure.h"
#include "permission/gate.h"

/* Was anybody ever erased?  Certificates are never deleted. */
static bool
has_certificates(void)
{
	Relation	relation = table_open(jo_relation_oid("erasure_certificate"),
									  AccessShareLock);
	bool		is_empty = RelationGetNumberOfBlocks(relation) == 0;

	table_close(relation, AccessShareLock);
	return !is_empty;
}

bool
jo_gate_erasure_is_active(JoGates *gates)
{
	if (gates->stage == JO_GATE_AT_ENQUEUE || !has_certificates())
		return false;
	gates->erasures = jo_erasures_read(-1, gates->snapshot);
	return true;
}

void
jo_gate_erasure(JoGates *gates, const JoGateQuestion *question,
				JoGateDecision *decision)
{
	if (!jo_customer_is_erased(question->customer_id) &&
		!jo_erasures_cover_message(gates->erasures, question->customer_id,
								   question->message_id))
		return;
	decision->answer = JO_GATE_WITHHOLD;
	decision->reason = "erased";
	decision->evidence =
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}
