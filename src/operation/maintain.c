/*
 * operation/maintain.c
 *	  SQL function maintain(): upkeep by hand or by pg_cron, and what it did.
 *
 * The same round that the workers do (core/upkeep.c).  It is one transaction,
 * and what it empties can be given back only by a later one, so one call after
 * another gets further.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "core/compat.h"
#include "core/upkeep.h"
#include "worker/process.h"

enum
{
	COLUMN_FAMILY,
	COLUMN_LANE,
	COLUMN_ACT,
	COLUMN_DETAIL,
	COLUMNS
};

PG_FUNCTION_INFO_V1(journey_orch_maintain);

static void
put_act(void *arg, const JoSegments *segments, const char *act,
		const char *detail)
{
	ReturnSetInfo *result = arg;
	Datum		values[COLUMNS] = {0};
	bool		isnull[COLUMNS] = {false};

	isnull[COLUMN_FAMILY] = isnull[COLUMN_LANE] = segments == NULL;
	if (segments != NULL)
	{
		values[COLUMN_FAMILY] =
			CStringGetTextDatum(jo_leaf_family_name(segments->family));
		values[COLUMN_LANE] = Int32GetDatum(segments->lane);
	}
	values[COLUMN_ACT] = CStringGetTextDatum(act);
	values[COLUMN_DETAIL] = CStringGetTextDatum(detail);
	tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
}

Datum
journey_orch_maintain(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	jo_process_ensure_adopted();
	(void) jo_maintain(put_act, fcinfo->resultinfo);
	return (Datum) 0;
}
