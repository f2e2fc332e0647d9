/*
 * permission/evidence_guard.c
 *	  Evidence of consent never changes.
 *
 * A trigger on the tables of evidence refuses UPDATE, DELETE and TRUNCATE to
 * everybody, the extension's owner included.  The erasure of a customer, who may
 * ask that even this goes, opens them for itself.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/rel.h"

#include "permission/permission.h"

PG_FUNCTION_INFO_V1(journey_orch_keep_evidence);

bool		jo_evidence_is_open = false;

/* SQL: trigger _keep_evidence() */
Datum
journey_orch_keep_evidence(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function can only be called as a trigger")));
	if (!jo_evidence_is_open)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rows of \"%s\" are evidence and never change",
						RelationGetRelationName(trigger->tg_relation)),
				 errhint("Record what is so now with another row, or erase the customer with journey_orch.forget().")));
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return PointerGetDatum(trigger->tg_newtuple);
	return PointerGetDatum(trigger->tg_trigtuple);
}
