/*
 * outbox/paused.c
 *	  Which journeys are paused, as claim() sees it.
 *
 * From the commit of a pause on no relay is given a message of the journey,
 * whatever its lanes have applied: a claim looks at the acts themselves, not at
 * what they have done to runs.  Its cache is made as new as its snapshot; while
 * nothing is paused, and nothing was published, that is one probe of an index
 * a claim.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/cache.h"
#include "core/definition.h"
#include "core/run_as.h"
#include "outbox/internal.h"

static JoCache cache = {
	.name = "paused journeys",
	.tables = {"publication"}
};

static List *paused;			/* of journey_id */

static void
fill(void)
{
	bool		pushes = !ActiveSnapshotSet();
	MemoryContext caller;
	JoRunAs		saved;

	paused = NIL;
	if (pushes)
		PushActiveSnapshot(GetTransactionSnapshot());
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute("SELECT journey_id FROM journey_orch.publication"
					" WHERE act IN ('pause', 'resume') GROUP BY journey_id"
					" HAVING max(seq) FILTER (WHERE act = 'pause')"
					"  > coalesce(max(seq) FILTER (WHERE act = 'resume'), 0)",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read which journeys are paused");
	caller = MemoryContextSwitchTo(jo_cache_context(&cache));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		Datum		id = SPI_getbinval(SPI_tuptable->vals[row],
									   SPI_tuptable->tupdesc, 1, &isnull);

		paused = lappend_int(paused, DatumGetInt32(id));
	}
	MemoryContextSwitchTo(caller);
	SPI_finish();
	jo_run_as_end(&saved);
	if (pushes)
		PopActiveSnapshot();
	jo_cache_filled(&cache);
}

void
jo_paused_begin(Snapshot snapshot)
{
	jo_definition_adopt(snapshot);
	if (jo_cache_begin(&cache))
		fill();
}

void
jo_paused_end(void)
{
	jo_cache_end(&cache);
}

bool
jo_journey_is_paused(int32 journey_id)
{
	return paused != NIL && list_member_int(paused, journey_id);
}

void
jo_paused_init(void)
{
	jo_cache_register(&cache);
}
