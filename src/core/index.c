/*
 * core/index.c
 *	  The indexes of our leaves: finding the one to read by, and entering rows
 *	  in all of them.
 *
 * Ours is not the only index a leaf may have: an administrator adds his own,
 * and REINDEX CONCURRENTLY and a restore give new OIDs, so ours is known by its
 * columns and by nothing else.  Writing goes through the executor's own code,
 * which knows expressions, predicates and constraints.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "catalog/pg_am_d.h"
#include "executor/executor.h"
#include "utils/lsyscache.h"

#include "core/compat.h"
#include "core/index.h"
#include "core/leaf.h"

struct JoIndexWriter
{
	EState	   *estate;
	ResultRelInfo *target;
};

bool
jo_index_is_by_page(List *predicate)
{
	FuncExpr   *call;

	if (list_length(predicate) != 1 || !IsA(linitial(predicate), FuncExpr))
		return false;
	call = linitial(predicate);
	return call->funcid >= FirstNormalObjectId &&
		strcmp(get_func_name(call->funcid), "_leads_page") == 0 &&
		get_func_namespace(call->funcid) == jo_schema_oid();
}

/*
 * Indexes by page that were met before, by their OID: parsing the predicate
 * would cost a single-row append a tenth of its time.  Good until any relation
 * changes.
 */
#define KNOWN_INDEXES 128

typedef struct KnownIndex
{
	Oid			relid;
	uint64		changes;
} KnownIndex;

static KnownIndex known_by_page[KNOWN_INDEXES];

/* What BuildIndexInfo() says of a B-tree on columns, its predicate left out. */
static IndexInfo *
make_plain_info(Relation index)
{
	Form_pg_index form = index->rd_index;
	IndexInfo  *info = makeNode(IndexInfo);

	info->ii_NumIndexAttrs = form->indnatts;
	info->ii_NumIndexKeyAttrs = form->indnkeyatts;
	for (int i = 0; i < form->indnatts; i++)
		info->ii_IndexAttrNumbers[i] = form->indkey.values[i];
	info->ii_Unique = form->indisunique;
	info->ii_ReadyForInserts = form->indisready;
	info->ii_Am = index->rd_rel->relam;
	info->ii_Context = CurrentMemoryContext;
	return info;
}

IndexInfo *
jo_index_info(Relation index, bool *is_by_page)
{
	KnownIndex *known = &known_by_page[RelationGetRelid(index) % KNOWN_INDEXES];
	uint64		changes = jo_relation_changes();
	IndexInfo  *info;

	*is_by_page = true;
	if (known->relid == RelationGetRelid(index) && known->changes == changes)
		return make_plain_info(index);

	info = BuildIndexInfo(index);
	*is_by_page = jo_index_is_by_page(info->ii_Predicate);
	if (*is_by_page && info->ii_Expressions == NIL &&
		index->rd_rel->relam == BTREE_AM_OID)
	{
		known->relid = RelationGetRelid(index);
		known->changes = changes;
	}
	return info;
}

/*
 * Ascending, in the order of the columns' own collations, over all rows or
 * pages?
 */
static bool
is_like_ours(Relation relation, Relation index)
{
	Form_pg_index form = index->rd_index;
	List	   *predicate = RelationGetIndexPredicate(index);

	if (!form->indisvalid || index->rd_rel->relam != BTREE_AM_OID ||
		(predicate != NIL && !jo_index_is_by_page(predicate)))
		return false;
	for (int i = 0; i < form->indnkeyatts; i++)
	{
		AttrNumber	column = form->indkey.values[i];

		if (column <= 0 || index->rd_indoption[i] != 0 ||
			index->rd_indcollation[i] !=
			TupleDescAttr(RelationGetDescr(relation), column - 1)->attcollation)
			return false;
	}
	return true;
}

static bool
has_columns(Relation index, AttrNumber first, AttrNumber second)
{
	Form_pg_index form = index->rd_index;
	int			count = second == 0 ? 1 : 2;

	return form->indnkeyatts == count && form->indkey.values[0] == first &&
		(second == 0 || form->indkey.values[1] == second);
}

Relation
jo_index_find(Relation relation, AttrNumber first, AttrNumber second,
			  LOCKMODE lockmode)
{
	List	   *oids = RelationGetIndexList(relation);
	ListCell   *cell;

	foreach(cell, oids)
	{
		Relation	index = index_open(lfirst_oid(cell), lockmode);

		if (has_columns(index, first, second) && is_like_ours(relation, index))
		{
			list_free(oids);
			return index;
		}
		index_close(index, lockmode);
	}
	list_free(oids);
	return NULL;
}

Relation
jo_index_open(Relation relation, AttrNumber first, AttrNumber second,
			  LOCKMODE lockmode)
{
	Relation	index = jo_index_find(relation, first, second, lockmode);

	if (index != NULL)
		return index;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" has lost its index",
					RelationGetRelationName(relation)),
			 errhint("Run journey_orch.maintain(), which makes it again.")));
}

JoIndexWriter *
jo_index_writer_begin(Relation relation)
{
	JoIndexWriter *writer = palloc(sizeof(JoIndexWriter));

	writer->estate = CreateExecutorState();
	writer->target = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->target, relation, 1, NULL, 0);
	ExecOpenIndices(writer->target, false);
	return writer;
}

void
jo_index_write(JoIndexWriter *writer, TupleTableSlot *slot,
			   bool only_summarizing)
{
	slot->tts_tableOid =
		RelationGetRelid(writer->target->ri_RelationDesc);
	jo_insert_index_tuples(writer->target, slot, writer->estate,
						   only_summarizing);
	ResetPerTupleExprContext(writer->estate);
}

void
jo_index_writer_end(JoIndexWriter *writer)
{
	ExecCloseIndices(writer->target);
	FreeExecutorState(writer->estate);
	pfree(writer);
}
