/*
 * enrollment/tally.c
 *	  How many are in a journey, and how many ever entered it.
 *
 * Table entry_count has one row a journey and lane; the lane's one writer adds
 * to it at the end of a batch, so no two batches wait for a row.  It is kept
 * for every journey, because a later version may come with a cap.  A trial
 * appends what it adds to trial_entry_count, which nobody else ever sees.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "core/append.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "enrollment/batch.h"

/* What the batch adds to the counts of one journey. */
typedef struct JoTally
{
	int32		journey_id;
	int64		active;
	int64		total;
	int64		erased;			/* of total: nobody remembers them any more */
} JoTally;

/* Columns of trial_entry_count. */
enum
{
	COUNT_JOURNEY_ID, COUNT_LANE, COUNT_ACTIVE, COUNT_TOTAL,
	COUNT_ERASED,
	COUNT_COLUMNS
};

static JoTally *
find_tally(const JoBatch *batch, int32 journey_id)
{
	ListCell   *cell;

	foreach(cell, batch->tallies)
	{
		JoTally    *tally = lfirst(cell);

		if (tally->journey_id == journey_id)
			return tally;
	}
	return NULL;
}

static JoTally *
get_tally(JoBatch *batch, int32 journey_id)
{
	JoTally    *tally = find_tally(batch, journey_id);

	if (tally == NULL)
	{
		tally = palloc0(sizeof(JoTally));
		tally->journey_id = journey_id;
		batch->tallies = lappend(batch->tallies, tally);
	}
	return tally;
}

/* A run begins. */
void
jo_tally_entered(JoBatch *batch, const JoRun *run)
{
	JoTally    *tally = get_tally(batch, run->journey_id);

	tally->active++;
	tally->total++;
}

/* A run ends. */
void
jo_tally_ended(JoBatch *batch, const JoRun *run)
{
	get_tally(batch, run->journey_id)->active--;
}

/* What a customer's memory tells of his runs is gone. */
void
jo_tally_erased(JoBatch *batch, const JoMemory *memory)
{
	get_tally(batch, memory->journey_id)->erased += memory->runs;
}

/* What the batch adds to a journey so far. */
void
jo_tally_of_batch(const JoBatch *batch, int32 journey_id, int64 *active,
				  int64 *total)
{
	const JoTally *tally = find_tally(batch, journey_id);

	*active = tally != NULL ? tally->active : 0;
	*total = tally != NULL ? tally->total : 0;
}

/*
 * The counts of a journey over all lanes, as of now: what others have committed
 * and this transaction has written.
 */
void
jo_tally_read(int32 journey_id, int64 *active, int64 *total)
{
	Oid			types[] = {INT4OID};
	Datum		values[] = {Int32GetDatum(journey_id)};
	JoRunAs		saved;
	bool		isnull;

	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT coalesce(sum(active), 0)::bigint,"
							  " coalesce(sum(total), 0)::bigint"
							  " FROM (SELECT * FROM journey_orch.entry_count"
							  "  WHERE journey_id = $1"
							  "  UNION ALL"
							  "  SELECT * FROM journey_orch.trial_entry_count"
							  "  WHERE journey_id = $1) AS c",
							  1, types, values, NULL, false,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the counts of a journey");
	*active = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &isnull));
	*total = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										 SPI_tuptable->tupdesc, 2, &isnull));
	SPI_finish();
	jo_run_as_end(&saved);
}

static void
write_trial(JoBatch *batch)
{
	JoAppend   *append = jo_append_begin(jo_relation_oid("trial_entry_count"));
	ListCell   *cell;

	foreach(cell, batch->tallies)
	{
		const JoTally *tally = lfirst(cell);
		Datum		values[COUNT_COLUMNS];
		bool		isnull[COUNT_COLUMNS] = {false};

		values[COUNT_JOURNEY_ID] = Int32GetDatum(tally->journey_id);
		values[COUNT_LANE] = Int16GetDatum(batch->lane);
		values[COUNT_ACTIVE] = Int64GetDatum(tally->active);
		values[COUNT_TOTAL] = Int64GetDatum(tally->total);
		values[COUNT_ERASED] = Int64GetDatum(tally->erased);
		jo_append_row(append, values, isnull);
	}
	jo_append_end(append);
}

static void
write_counts(JoBatch *batch)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT4OID, INT2OID, INT8OID, INT8OID, INT8OID};
	JoRunAs		saved;
	ListCell   *cell;

	jo_run_as_extension(&saved);
	SPI_connect();
	if (plan == NULL)
	{
		SPIPlanPtr	prepared;

		prepared = SPI_prepare("INSERT INTO journey_orch.entry_count AS c"
							   " VALUES ($1, $2, $3, $4, $5)"
							   " ON CONFLICT (journey_id, lane) DO UPDATE"
							   " SET active = c.active + excluded.active,"
							   " total = c.total + excluded.total,"
							   " erased = c.erased + excluded.erased",
							   lengthof(types), types);
		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare the counts of journeys");
		plan = prepared;
	}
	foreach(cell, batch->tallies)
	{
		const JoTally *tally = lfirst(cell);
		Datum		values[] = {
			Int32GetDatum(tally->journey_id), Int16GetDatum(batch->lane),
			Int64GetDatum(tally->active), Int64GetDatum(tally->total),
			Int64GetDatum(tally->erased)
		};

		if (SPI_execute_plan(plan, values, NULL, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not write the counts of a journey");
	}
	SPI_finish();
	jo_run_as_end(&saved);
}

/* Add what the batch counted; a sink that moves no lane is a trial's. */
void
jo_tally_write(JoBatch *batch)
{
	if (batch->tallies == NIL)
		return;
	if (batch->sink->write_position == NULL)
		write_trial(batch);
	else
		write_counts(batch);
}
