/*
 * core/append.c
 *	  Bulk append into one table of ours, indexes included.
 *
 * Rows are formed into the append's own memory and written in groups, each
 * filling the rest of a page: so a page costs one WAL record, one look for
 * free space and, in an index by page, one entry.  A group has at most
 * JO_APPEND_ROWS rows and FLUSH_BYTES bytes, so that a batch of large payloads
 * stays bounded.  A group of one row takes the
 * single-row path, which needs neither a page-sized scratch buffer nor a
 * buffer ring: capture appends one row a statement more often than not.
 *
 * Our own indexes are over plain columns and need no executor state; one that
 * is by page gets an entry for the first row that a flush puts on a page
 * (core/index.h).  A table that an administrator gave an index with an
 * expression, a predicate or an exclusion constraint goes through the
 * executor's code.  Unique indexes are enforced at once.
 *
 * On an error nobody calls jo_append_end(): the resource owner drops the
 * relation references and the pinned buffer, the memory context the rest.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/hio.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "tcop/utility.h"
#include "utils/memutils.h"

#include "core/append.h"
#include "core/compat.h"
#include "core/index.h"

#define FLUSH_BYTES (1024 * 1024)

/* Room for rows on an empty page. */
#define PAGE_ROOM (BLCKSZ - SizeOfPageHeaderData)

struct JoAppend
{
	Relation	rel;
	MemoryContext context;		/* everything but the rows */
	MemoryContext row_context;	/* the rows; reset by each flush */
	int			index_count;
	Relation   *indexes;
	IndexInfo **index_infos;
	bool	   *is_by_page;		/* per index */
	JoIndexWriter *writer;		/* not NULL: does all that instead */
	int			slot_count;		/* slots made so far, at most JO_APPEND_ROWS */
	TupleTableSlot **slots;
	TupleDesc	unpinned;		/* copy for the slots after the first */
	int			buffered;		/* rows waiting */
	Size		bytes;			/* and their size */
	Size		room;			/* and that on pages */
	Size		page_room;		/* what the page to be filled has */
	BulkInsertState bulk;		/* made by the first flush of many rows */
};

/*
 * Open the table's indexes.  RelationGetIndexList() locks none of them, and
 * the order by OID is the one every other writer takes.
 */
static void
open_indexes(JoAppend *append)
{
	List	   *oids = RelationGetIndexList(append->rel);
	ListCell   *cell;

	append->index_count = 0;
	if (oids == NIL)
		return;

	append->indexes = palloc(list_length(oids) * sizeof(Relation));
	append->index_infos = palloc(list_length(oids) * sizeof(IndexInfo *));
	append->is_by_page = palloc(list_length(oids) * sizeof(bool));
	foreach(cell, oids)
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);
		IndexInfo  *info =
		jo_index_info(index, &append->is_by_page[append->index_count]);

		if (append->writer == NULL &&
			!append->is_by_page[append->index_count] &&
			(info->ii_Expressions != NIL || info->ii_Predicate != NIL ||
			 info->ii_ExclusionOps != NULL || !index->rd_index->indimmediate))
			append->writer = jo_index_writer_begin(append->rel);
		append->indexes[append->index_count] = index;
		append->index_infos[append->index_count] = info;
		append->index_count++;
	}
	list_free(oids);
}

JoAppend *
jo_append_begin(Oid relid)
{
	MemoryContext context;
	MemoryContext old_context;
	JoAppend   *append;

	PreventCommandIfReadOnly("journey_orch append");

	context = AllocSetContextCreate(CurrentMemoryContext, "jo_append",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);

	append = palloc0(sizeof(JoAppend));
	append->context = context;
	append->rel = table_open(relid, RowExclusiveLock);
	append->page_room = PAGE_ROOM;
	open_indexes(append);

	MemoryContextSwitchTo(old_context);
	return append;
}

TupleDesc
jo_append_descriptor(JoAppend *append)
{
	return RelationGetDescr(append->rel);
}

/* Enter the row just written into every index that wants it. */
static void
insert_index_entries(JoAppend *append, TupleTableSlot *slot,
					 bool is_first_of_page)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	if (append->writer != NULL)
	{
		jo_index_write(append->writer, slot, false);
		return;
	}
	for (int i = 0; i < append->index_count; i++)
	{
		Relation	index = append->indexes[i];
		IndexInfo  *info = append->index_infos[i];

		if (!info->ii_ReadyForInserts ||
			(append->is_by_page[i] && !is_first_of_page))
			continue;
		FormIndexDatum(info, slot, NULL, values, isnull);
		index_insert(index, values, isnull, &slot->tts_tid, append->rel,
					 index->rd_index->indisunique ?
					 UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
					 false, info);
	}
}

/* What a row takes of a page; a large one is toasted. */
static Size
room_of(HeapTuple tuple)
{
	return MAXALIGN(Min(tuple->t_len, TOAST_TUPLE_TARGET)) +
		sizeof(ItemIdData);
}

/*
 * What the page that was written last has left; of a page without room for one
 * more row, what the next will have.  Looked at without a lock, because nothing
 * but the size of the next group depends on it.
 */
static Size
room_left(JoAppend *append, Size row)
{
	Size		room;

	if (append->bulk == NULL || !BufferIsValid(append->bulk->current_buf))
		return PAGE_ROOM;
	room = PageGetExactFreeSpace(BufferGetPage(append->bulk->current_buf));
	return room < row ? PAGE_ROOM : room;
}

/* Write the buffered rows and forget them. */
static void
flush(JoAppend *append)
{
	MemoryContext old_context;
	BlockNumber last_block = InvalidBlockNumber;

	if (append->buffered == 0)
		return;

	old_context = MemoryContextSwitchTo(append->row_context != NULL ?
										append->row_context : append->context);

	if (append->buffered == 1)
		table_tuple_insert(append->rel, append->slots[0],
						   GetCurrentCommandId(true), 0, append->bulk);
	else
	{
		if (append->bulk == NULL)
		{
			MemoryContextSwitchTo(append->context);
			append->bulk = GetBulkInsertState();
			MemoryContextSwitchTo(jo_append_row_context(append));
		}
		table_multi_insert(append->rel, append->slots, append->buffered,
						   GetCurrentCommandId(true), 0, append->bulk);
	}

	for (int i = 0; i < append->buffered; i++)
	{
		ItemPointer tid = &append->slots[i]->tts_tid;
		BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);

		if (append->index_count > 0)
			insert_index_entries(append, append->slots[i], block != last_block);
		last_block = block;
		ExecClearTuple(append->slots[i]);
	}

	MemoryContextSwitchTo(old_context);
	if (append->row_context != NULL)
		MemoryContextReset(append->row_context);
	append->page_room = room_left(append, append->room / append->buffered);
	append->buffered = 0;
	append->bytes = 0;
	append->room = 0;
}

/*
 * The slot for the next row; slots are made when first needed, then reused.
 * A slot over the relation's own descriptor pins it, and a thousand pins in
 * the resource owner cost a fifth of the append; so all but the first share a
 * copy, which is not pinned.
 */
static TupleTableSlot *
next_slot(JoAppend *append)
{
	MemoryContext old_context;

	if (append->buffered < append->slot_count)
		return append->slots[append->buffered];

	old_context = MemoryContextSwitchTo(append->context);
	if (append->slots == NULL)
		append->slots = palloc(JO_APPEND_ROWS * sizeof(TupleTableSlot *));
	if (append->slot_count == 1)
		append->unpinned = CreateTupleDescCopy(RelationGetDescr(append->rel));
	append->slots[append->slot_count] =
		MakeSingleTupleTableSlot(append->slot_count == 0 ?
								 RelationGetDescr(append->rel) :
								 append->unpinned,
								 &TTSOpsHeapTuple);
	append->slot_count++;
	MemoryContextSwitchTo(old_context);

	return append->slots[append->buffered];
}

/* The first row lies with the append itself: often it is the only one. */
MemoryContext
jo_append_row_context(JoAppend *append)
{
	if (append->slot_count == 0)
		return append->context;
	if (append->row_context == NULL)
		append->row_context = AllocSetContextCreate(append->context,
													"jo_append rows",
													ALLOCSET_DEFAULT_SIZES);
	return append->row_context;
}

/*
 * The slot owns the tuple, else table_multi_insert() would copy it.
 */
void
jo_append_tuple(JoAppend *append, HeapTuple tuple)
{
	Size		room = room_of(tuple);

	tuple->t_tableOid = RelationGetRelid(append->rel);
	ExecStoreHeapTuple(tuple, next_slot(append), true);
	append->buffered++;
	append->bytes += tuple->t_len;
	append->room += room;

	/* the page is full when not even a row of this size would fit */
	if (append->buffered == JO_APPEND_ROWS || append->bytes >= FLUSH_BYTES ||
		append->room + room > append->page_room)
		flush(append);
}

void
jo_append_row(JoAppend *append, Datum *values, bool *isnull)
{
	MemoryContext old_context =
	MemoryContextSwitchTo(jo_append_row_context(append));

	jo_append_tuple(append, heap_form_tuple(RelationGetDescr(append->rel),
											values, isnull));
	MemoryContextSwitchTo(old_context);
}

void
jo_append_end(JoAppend *append)
{
	flush(append);

	/* The first slot alone holds a pin; the others go with the context. */
	if (append->slot_count > 0)
		ExecDropSingleTupleTableSlot(append->slots[0]);
	if (append->bulk != NULL)
		FreeBulkInsertState(append->bulk);
	table_finish_bulk_insert(append->rel, 0);

	if (append->writer != NULL)
		jo_index_writer_end(append->writer);
	for (int i = 0; i < append->index_count; i++)
	{
		jo_index_insert_cleanup(append->indexes[i], append->index_infos[i]);
		index_close(append->indexes[i], NoLock);
	}
	table_close(append->rel, NoLock);
	MemoryContextDelete(append->context);
}
