/*
 * outbox/queue.c
 *	  Which queues of a channel are in use.
 *
 * A channel has three queues, by the priority of messages: 7 to 9, 3 to 6 and 0
 * to 2.  A position says in its highest bits which one it belongs to
 * (jo_outbox_position()), so each queue of a lane is a range of the one index,
 * with a position of its own in the claims; claims take from the first that has
 * something (docs/decisions/0017).  Looking into the other two costs
 * an index probe a lane, and nearly everybody has none: they are looked into
 * from the first version of a journey on that sends with such a priority.
 * Versions are never deleted, and the cache is made as new as the claim's
 * snapshot, so no message can wait in a queue that nobody looks into.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/snapmgr.h"

#include "core/cache.h"
#include "core/definition.h"
#include "core/run_as.h"
#include "outbox/internal.h"
#include "outbox/outbox.h"

static JoCache cache = {
	.name = "message queues",
	.tables = {"journey_version"}
};

static bool in_use[JO_QUEUES] = {[JO_QUEUE_NORMAL] = true};

#define READ_PRIORITIES \
	"SELECT DISTINCT (s.value->'send'->>'priority')::integer" \
	" FROM journey_orch.journey_version AS v" \
	" CROSS JOIN LATERAL pg_catalog.jsonb_each(v.definition->'steps') AS s" \
	" WHERE s.value->'send' ? 'priority'"

static void
fill(void)
{
	bool		pushes = !ActiveSnapshotSet();
	JoRunAs		saved;

	if (pushes)
		PushActiveSnapshot(GetTransactionSnapshot());
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute(READ_PRIORITIES, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the priorities of sends");
	memset(in_use, 0, sizeof(in_use));
	in_use[JO_QUEUE_NORMAL] = true;
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		Datum		priority = SPI_getbinval(SPI_tuptable->vals[row],
											 SPI_tuptable->tupdesc, 1, &isnull);

		in_use[jo_queue_of_priority(DatumGetInt32(priority))] = true;
	}
	SPI_finish();
	jo_run_as_end(&saved);
	if (pushes)
		PopActiveSnapshot();
	jo_cache_filled(&cache);
}

void
jo_queues_begin(Snapshot snapshot)
{
	jo_definition_adopt(snapshot);
	if (jo_cache_begin(&cache))
		fill();
}

bool
jo_queue_is_in_use(JoQueue queue)
{
	return in_use[queue];
}

void
jo_queues_end(void)
{
	jo_cache_end(&cache);
}

void
jo_queues_init(void)
{
	jo_cache_register(&cache);
}
