/*
 * outbox/audience.c
 *	  What claims do differently for a channel of kind audience.
 *
 * Its messages add a customer to an audience, or remove him.  A remove stops at
 * nothing: whoever was handed the add is handed the remove (enrollment/kept.c),
 * whatever became of the run, the journey or the consent.  The engine must know
 * of every add whether a relay was handed it.
 */
#include "postgres.h"

#include "outbox/claiming.h"

static bool
is_remove(TupleTableSlot *slot)
{
	Jsonb	   *payload = DatumGetJsonbP(slot->tts_values[OUTBOX_PAYLOAD]);
	JsonbValue	buffer;
	JsonbValue *operation = getKeyJsonValueFromContainer(&payload->root,
														 "operation",
														 strlen("operation"),
														 &buffer);

	return operation != NULL && operation->type == jbvString &&
		operation->val.string.len == strlen("remove") &&
		memcmp(operation->val.string.val, "remove", strlen("remove")) == 0;
}

JoGateVerdict
jo_claiming_decide(JoClaiming *claiming, JoGate *gate, TupleTableSlot *slot)
{
	claiming->is_remove = claiming->is_audience && is_remove(slot);
	if (claiming->is_remove)
		return JO_GATE_PASSED;
	return jo_claiming_judge(claiming, gate, slot);
}
