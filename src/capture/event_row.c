/*
 * capture/event_row.c
 *	  Forms the rows of the event log.
 *
 * Nearly every row comes from a watch and has one shape: a watch and a payload,
 * no occurred_at and no trace.  All columns before customer_id are of fixed
 * width then, so such a row is put together by hand, exactly as
 * heap_form_tuple() would do it (sql/capture_tables.sql compares the two); that
 * walks fourteen columns twice and needs every text as a varlena first.  Rows
 * of another shape go through heap_form_tuple().
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "capture/event_columns.h"
#include "capture/event_row.h"

/* The columns before customer_id, as they lie in a row without occurred_at. */
typedef struct RowHead
{
	int64		seq;
	FullTransactionId xid;
	TimestampTz instant;
	TimestampTz recorded_at;
	int32		incarnation;
	int32		watch_id;
	int16		lane;
	int16		segment;
	char		kind;
} RowHead;

#define ROW_HEAD_BYTES (offsetof(RowHead, kind) + 1)

StaticAssertDecl(ROW_HEAD_BYTES == 45, "columns of the event log are not packed");

/* The row by heap_form_tuple(). */
static HeapTuple
form_generally(TupleDesc descriptor, const JoEventRow *row)
{
	const JoEvent *event = row->event;
	Datum		values[EVENT_COLUMNS] = {0};
	bool		isnull[EVENT_COLUMNS] = {false};

	values[EVENT_SEQ] = Int64GetDatum(event->seq);
	values[EVENT_XID] = FullTransactionIdGetDatum(event->xid);
	values[EVENT_INSTANT] = TimestampTzGetDatum(event->instant);
	values[EVENT_RECORDED_AT] = TimestampTzGetDatum(event->recorded_at);
	isnull[EVENT_OCCURRED_AT] = !event->has_occurred_at;
	if (event->has_occurred_at)
		values[EVENT_OCCURRED_AT] = TimestampTzGetDatum(event->occurred_at);
	values[EVENT_INCARNATION] = Int32GetDatum(row->incarnation);
	isnull[EVENT_WATCH_ID] = event->watch_id == 0;
	values[EVENT_WATCH_ID] = Int32GetDatum(event->watch_id);
	values[EVENT_LANE] = Int16GetDatum(row->lane);
	values[EVENT_SEGMENT] = Int16GetDatum(row->segment);
	values[EVENT_KIND] = CharGetDatum(event->kind);
	values[EVENT_CUSTOMER_ID] = CStringGetTextDatum(event->customer_id);
	values[EVENT_NAME] = CStringGetTextDatum(event->name);
	isnull[EVENT_PAYLOAD] = event->payload == NULL;
	values[EVENT_PAYLOAD] = JsonbPGetDatum(event->payload);
	isnull[EVENT_TRACE] = event->trace == NULL;
	if (event->trace != NULL)
		values[EVENT_TRACE] = CStringGetTextDatum(event->trace);

	return heap_form_tuple(descriptor, values, isnull);
}

/* Where a varlena of "length" bytes ends that is put at "offset". */
static inline Size
varlena_end(Size offset, Size length)
{
	if (length + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
		return offset + VARHDRSZ_SHORT + length;
	return INTALIGN(offset) + VARHDRSZ + length;
}

/* Put it there; the bytes up to its end are zero.  Returns the end. */
static inline Size
put_varlena(char *data, Size offset, const char *bytes, Size length)
{
	if (length + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		SET_VARSIZE_SHORT(data + offset, length + VARHDRSZ_SHORT);
		offset += VARHDRSZ_SHORT;
	}
	else
	{
		offset = INTALIGN(offset);
		SET_VARSIZE(data + offset, length + VARHDRSZ);
		offset += VARHDRSZ;
	}
	memcpy(data + offset, bytes, length);
	return offset + length;
}

HeapTuple
jo_event_row_form(TupleDesc descriptor, const JoEventRow *row)
{
	const JoEvent *event = row->event;
	bits8		present[BITMAPLEN(EVENT_COLUMNS)] = {0xff, 0xff};
	Size		hoff = MAXALIGN(SizeofHeapTupleHeader +
								BITMAPLEN(EVENT_COLUMNS));
	Size		name_length;
	Size		payload_length;
	Size		length;
	HeapTuple	tuple;
	char	   *data;
	RowHead		head;

	if (event->watch_id == 0 || event->payload == NULL ||
		event->has_occurred_at || event->trace != NULL ||
		descriptor->natts != EVENT_COLUMNS)
		return form_generally(descriptor, row);

	name_length = strlen(event->name);
	payload_length = VARSIZE(event->payload) - VARHDRSZ;
	length = varlena_end(ROW_HEAD_BYTES, row->customer_length);
	length = varlena_end(length, name_length);
	length = hoff + varlena_end(length, payload_length);

	tuple = palloc0(HEAPTUPLESIZE + length);
	tuple->t_len = length;
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_data = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	ItemPointerSetInvalid(&tuple->t_data->t_ctid);
	HeapTupleHeaderSetNatts(tuple->t_data, EVENT_COLUMNS);
	tuple->t_data->t_hoff = hoff;
	tuple->t_data->t_infomask = HEAP_HASNULL | HEAP_HASVARWIDTH;
	present[EVENT_OCCURRED_AT / 8] &= ~(1 << EVENT_OCCURRED_AT % 8);
	present[EVENT_TRACE / 8] &= ~(1 << EVENT_TRACE % 8);
	present[1] &= (1 << EVENT_COLUMNS % 8) - 1;
	memcpy(tuple->t_data->t_bits, present, sizeof(present));

	head.seq = event->seq;
	head.xid = event->xid;
	head.instant = event->instant;
	head.recorded_at = event->recorded_at;
	head.incarnation = row->incarnation;
	head.watch_id = event->watch_id;
	head.lane = row->lane;
	head.segment = row->segment;
	head.kind = event->kind;
	data = (char *) tuple->t_data + hoff;
	memcpy(data, &head, ROW_HEAD_BYTES);
	length = put_varlena(data, ROW_HEAD_BYTES, event->customer_id,
						 row->customer_length);
	length = put_varlena(data, length, event->name, name_length);
	put_varlena(data, length, VARDATA(event->payload), payload_length);
	return tuple;
}
