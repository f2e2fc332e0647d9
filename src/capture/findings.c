/*
 * capture/findings.c
 *	  SQL function _watch_findings(): the watches that no longer compile.
 *
 * A watch stores the text of its expressions, so a dropped column or function
 * shows only when it is compiled again; health() asks before a row does.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "capture/internal.h"

PG_FUNCTION_INFO_V1(journey_orch_watch_findings);

static void
compile(void *arg)
{
	jo_watch_compile(arg);
}

/* SQL: journey_orch._watch_findings() */
Datum
journey_orch_watch_findings(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	jo_watch_cache_begin();
	foreach(cell, jo_watches())
	{
		JoWatch    *watch = lfirst(cell);
		JoError    *error = jo_guard(compile, watch, InvalidOid);
		Datum		values[4];
		bool		isnull[4] = {false};

		if (error == NULL)
			error = watch->error;
		if (error == NULL)
			continue;
		values[0] = ObjectIdGetDatum(watch->relation);
		values[1] = CStringGetTextDatum(watch->event);
		values[2] = CStringGetTextDatum(error->sqlstate);
		values[3] = CStringGetTextDatum(error->message);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 isnull);
	}
	jo_watch_cache_end();

	return (Datum) 0;
}
