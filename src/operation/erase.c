/*
 * operation/erase.c
 *	  Upkeep of erasures: each round takes a piece of the walk over all tables
 *	  (code.sql, _erase()).
 *
 * A round reads BLOCKS blocks at most, so that it holds nobody up; it goes on
 * where the last commit left it.
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "core/leaf.h"
#include "core/upkeep.h"
#include "operation/operation.h"
#include "permission/permission.h"

/* 16 MB. */
#define BLOCKS "2000"

/* No tombstone was ever made, or VACUUM has cut the empty table off. */
static bool
is_idle(void)
{
	Relation	relation = table_open(jo_relation_oid("tombstone"),
									  AccessShareLock);
	bool		is_empty = RelationGetNumberOfBlocks(relation) == 0;

	table_close(relation, AccessShareLock);
	return is_empty;
}

/* Execute one piece; the result is in SPI_tuptable. */
static void
execute(void)
{
	jo_evidence_is_open = true;
	PG_TRY();
	{
		if (SPI_execute("SELECT changed, more FROM journey_orch._erase(" BLOCKS ")",
						false, 1) != SPI_OK_SELECT || SPI_processed != 1)
			elog(ERROR, "could not go on with the erasures");
	}
	PG_FINALLY();
	{
		jo_evidence_is_open = false;
	}
	PG_END_TRY();
}

/* JoUpkeepTask */
static bool
erase(void)
{
	bool		more;
	bool		isnull;
	int64		changed;

	if (is_idle())
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	execute();
	changed = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &isnull));
	more = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
									  SPI_tuptable->tupdesc, 2, &isnull));
	SPI_finish();
	PopActiveSnapshot();
	if (changed > 0)
		jo_upkeep_report(NULL, "erased", INT64_FORMAT " row(s)", changed);
	return more;
}

void
jo_operation_init(void)
{
	jo_upkeep_register_task(erase);
}
