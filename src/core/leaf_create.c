/*
 * core/leaf_create.c
 *	  Creation of the leaves of the per-lane tables, and of indexes they lost.
 *
 * One transaction makes all that is missing, under JO_LOCK_SETUP.  A leaf is
 * created standalone and then attached, because CREATE ... PARTITION OF would
 * lock the parent exclusively.  Catalog look-ups use fresh snapshots at every
 * isolation level, so the second of two sessions that start at once sees, after
 * the lock, what the first one made.
 *
 * An index that somebody dropped is made again by upkeep.  Until then what reads
 * by it raises (index.c); rows go on being appended.  One that is made again by
 * page has an entry a row of those that are there, which its reader allows.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "core/identity.h"
#include "core/index.h"
#include "core/internal.h"
#include "core/leaf.h"
#include "core/run_as.h"

#define SCHEMA "journey_orch"

/* Add what follows the name in CREATE INDEX. */
static void
append_index_target(StringInfo sql, const JoFamilyForm *f, const char *leaf)
{
	appendStringInfo(sql, " ON " SCHEMA ".%s (%s", leaf, f->columns[0]);
	if (f->columns[1] != NULL)
		appendStringInfo(sql, ", %s", f->columns[1]);
	appendStringInfoChar(sql, ')');
	if (f->index_predicate != NULL)
		appendStringInfo(sql, " WHERE %s", f->index_predicate);
	appendStringInfoString(sql, ";\n");
}

/* Add to "sql" the commands that create one leaf. */
static void
append_leaf_commands(StringInfo sql, JoFamily family, int lane, int segment)
{
	const JoFamilyForm *f = &jo_families[family];
	const char *name = jo_leaf_name(family, lane, segment);

	appendStringInfo(sql,
					 "CREATE TABLE " SCHEMA ".%s (LIKE " SCHEMA ".%s"
					 " INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
					 " INCLUDING STORAGE INCLUDING COMPRESSION)"
					 " USING heap WITH (%s);\n",
					 name, f->name,
					 f->is_log ? "autovacuum_vacuum_insert_threshold = -1"
					 : "fillfactor = 70");
	if (f->columns[0] != NULL)
	{
		appendStringInfo(sql, "CREATE INDEX %s_%s", name, f->columns[0]);
		if (f->columns[1] != NULL)
			appendStringInfo(sql, "_%s", f->columns[1]);
		append_index_target(sql, f, name);
	}
	appendStringInfo(sql, "ALTER TABLE " SCHEMA ".%s ATTACH PARTITION "
					 SCHEMA ".%s FOR VALUES ", f->name, name);
	if (f->is_log)
		appendStringInfo(sql, "FROM (%d, %d) TO (%d, %d);\n",
						 lane, segment, lane, segment + 1);
	else
		appendStringInfo(sql, "IN (%d);\n", lane);
}

/* Create every missing leaf of a family in one command string. */
static void
create_leaves(JoFamily family)
{
	StringInfoData sql;
	int			segments = jo_families[family].is_log ? JO_SEGMENTS : 1;

	initStringInfo(&sql);
	for (int lane = 0; lane < JO_LANES; lane++)
		for (int segment = 0; segment < segments; segment++)
			if (!OidIsValid(jo_leaf_oid(family, lane, segment)))
				append_leaf_commands(&sql, family, lane, segment);

	if (sql.len > 0 && SPI_execute(sql.data, false, 0) < 0)
		elog(ERROR, "could not create the leaves of \"%s\"",
			 jo_families[family].name);
	pfree(sql.data);
}

int
jo_leaf_add(JoFamily family, int lane)
{
	StringInfoData sql;
	int			segment = jo_leaf_segments(family, lane);

	if (segment >= JO_SEGMENTS_MAX ||
		!ConditionalLockRelationOid(jo_relation_oid(jo_families[family].name),
									ShareUpdateExclusiveLock))
		return -1;

	initStringInfo(&sql);
	append_leaf_commands(&sql, family, lane, segment);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(sql.data, false, 0) < 0)
		elog(ERROR, "could not add a leaf to \"%s\"", jo_families[family].name);
	SPI_finish();
	pfree(sql.data);

	return segment;
}

void
jo_leaf_ensure(void)
{
	JoRunAs		saved;

	if (jo_leaf_exists() && jo_incarnation_exists() && jo_key_exists())
		return;
	if (creating_extension)
		elog(ERROR, "leaves cannot be members of an extension");

	jo_lock(JO_LOCK_SETUP, 0);
	/* See what the former holder of the lock made. */
	AcceptInvalidationMessages();

	jo_run_as_extension(&saved);
	if (!jo_leaf_exists())
	{
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		for (int family = 0; family < JO_FAMILIES; family++)
			create_leaves(family);
		SPI_finish();
	}
	jo_incarnation_ensure();
	jo_key_ensure();
	jo_run_as_end(&saved);
}

/* Does the leaf lack the index of its family?  False while it is locked. */
static bool
lacks_index(const JoFamilyForm *f, Oid leaf)
{
	Relation	relation;
	Relation	index;

	if (!ConditionalLockRelationOid(leaf, AccessShareLock))
		return false;
	relation = try_table_open(leaf, NoLock);
	if (relation == NULL)
		return false;
	index = jo_index_find(relation, get_attnum(leaf, f->columns[0]),
						  f->columns[1] == NULL ? 0 :
						  get_attnum(leaf, f->columns[1]), AccessShareLock);
	if (index != NULL)
		index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);
	return index == NULL;
}

/* False when somebody writes to the leaf just now. */
static bool
create_index(const JoFamilyForm *f, Oid leaf, const char *name)
{
	StringInfoData sql;

	if (!ConditionalLockRelationOid(leaf, ShareLock))
		return false;
	initStringInfo(&sql);
	appendStringInfoString(&sql, "CREATE INDEX");
	append_index_target(&sql, f, name);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(sql.data, false, 0) < 0)
		elog(ERROR, "could not create the index of \"%s\"", name);
	SPI_finish();
	pfree(sql.data);
	return true;
}

void
jo_leaf_mend(JoLeafMended mended)
{
	static uint64 changes_when_whole = 0;
	uint64		changes = jo_relation_changes();
	bool		is_whole = true;

	if (changes == changes_when_whole)
		return;
	for (int family = 0; family < JO_FAMILIES; family++)
	{
		const JoFamilyForm *f = &jo_families[family];

		if (f->columns[0] == NULL)
			continue;
		for (int lane = 0; lane < JO_LANES; lane++)
		{
			int			segments = jo_leaf_segments(family, lane);

			for (int segment = 0; segment < segments; segment++)
			{
				Oid			leaf = jo_leaf_oid(family, lane, segment);
				const char *name = jo_leaf_name(family, lane, segment);

				CHECK_FOR_INTERRUPTS();
				if (!OidIsValid(leaf) || !lacks_index(f, leaf))
					continue;
				is_whole = false;
				mended(name, create_index(f, leaf, name));
			}
		}
	}
	if (is_whole)
		changes_when_whole = changes;
}
