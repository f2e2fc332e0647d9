/*
 * capture/payload.c
 *	  Writes columns of a row as a jsonb object, as fast as they can be copied.
 *
 * The result is what jsonb_build_object() over the same columns gives, with
 * one deliberate difference: timestamptz is written in UTC, so that the
 * payload does not depend on the TimeZone of the session that changed the
 * row.
 *
 * The keys of an object are stored first and in a fixed order, so they are
 * laid out once, when the watch is compiled; a row only adds its values
 * behind them.  This writes the format described in utils/jsonb.h directly:
 * building a tree of JsonbValues and serialising it costs three times as much.
 * Types without a rule of their own go through to_jsonb().
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "capture/internal.h"

typedef enum ColumnKind
{
	COLUMN_BOOL,
	COLUMN_INT2,
	COLUMN_INT4,
	COLUMN_INT8,
	COLUMN_NUMERIC,
	COLUMN_STRING,				/* text, varchar, char(n) */
	COLUMN_UUID,
	COLUMN_TIME,				/* date, timestamp, timestamptz */
	COLUMN_JSONB,
	COLUMN_OTHER
} ColumnKind;

typedef struct PayloadColumn
{
	AttrNumber	attnum;
	ColumnKind	kind;
	Oid			type;			/* base type */
	const char *name;
	int			name_length;
	FmgrInfo	to_jsonb;		/* of COLUMN_OTHER */
} PayloadColumn;

struct JoRowPayload
{
	int			count;
	AttrNumber	last_attnum;
	bool		cannot_raise;
	PayloadColumn *columns;		/* in the order of jsonb keys */
	char	   *head;			/* varlena header, container header, entries
								 * of the keys, room for those of the values,
								 * keys */
	int			head_length;
	int			keys_length;
};

/* A payload being written. */
typedef struct PayloadBuffer
{
	char	   *data;
	Size		length;
	Size		allocated;
} PayloadBuffer;

/* The order jsonb keeps its keys in: shorter first, then bytes. */
static int
compare_columns(const void *a, const void *b)
{
	const PayloadColumn *left = a;
	const PayloadColumn *right = b;

	if (left->name_length != right->name_length)
		return left->name_length < right->name_length ? -1 : 1;
	return memcmp(left->name, right->name, left->name_length);
}

static ColumnKind
kind_of(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return COLUMN_BOOL;
		case INT2OID:
			return COLUMN_INT2;
		case INT4OID:
			return COLUMN_INT4;
		case INT8OID:
			return COLUMN_INT8;
		case NUMERICOID:
			return COLUMN_NUMERIC;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return COLUMN_STRING;
		case UUIDOID:
			return COLUMN_UUID;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return COLUMN_TIME;
		case JSONBOID:
			return COLUMN_JSONB;
		default:
			return COLUMN_OTHER;
	}
}

/* Everything of the object that does not depend on the row. */
static void
lay_out_head(JoRowPayload *payload)
{
	int			entries = 2 * payload->count;
	JEntry	   *entry;
	char	   *keys;
	uint32		total = 0;

	payload->keys_length = 0;
	for (int i = 0; i < payload->count; i++)
		payload->keys_length += payload->columns[i].name_length;
	payload->head_length = VARHDRSZ + sizeof(uint32) +
		entries * sizeof(JEntry) + payload->keys_length;
	payload->head = palloc0(payload->head_length);

	*(uint32 *) (payload->head + VARHDRSZ) = payload->count | JB_FOBJECT;
	entry = (JEntry *) (payload->head + VARHDRSZ + sizeof(uint32));
	keys = (char *) (entry + entries);
	for (int i = 0; i < payload->count; i++)
	{
		PayloadColumn *column = &payload->columns[i];

		memcpy(keys + total, column->name, column->name_length);
		total += column->name_length;
		entry[i] = JENTRY_ISSTRING | (i % JB_OFFSET_STRIDE == 0 ?
									  total | JENTRY_HAS_OFF :
									  column->name_length);
	}
}

JoRowPayload *
jo_row_payload_compile(TupleDesc descriptor, const AttrNumber *attnums, int n)
{
	JoRowPayload *payload = palloc0(sizeof(JoRowPayload));

	payload->count = n;
	payload->cannot_raise = true;
	payload->columns = palloc0(Max(n, 1) * sizeof(PayloadColumn));
	for (int i = 0; i < n; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, attnums[i] - 1);
		PayloadColumn *column = &payload->columns[i];

		column->attnum = attnums[i];
		column->type = getBaseType(attribute->atttypid);
		column->kind = kind_of(column->type);
		column->name = pstrdup(NameStr(attribute->attname));
		column->name_length = strlen(column->name);
		payload->last_attnum = Max(payload->last_attnum, attnums[i]);

		if (column->kind == COLUMN_OTHER)
		{
			/* to_jsonb(anyelement) learns the type from its call. */
			Node	   *argument = (Node *) makeNullConst(column->type, -1,
														  InvalidOid);

			fmgr_info(F_TO_JSONB, &column->to_jsonb);
			fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID,
													 list_make1(argument),
													 InvalidOid, InvalidOid,
													 COERCE_EXPLICIT_CALL),
							   &column->to_jsonb);
			payload->cannot_raise = false;
		}
	}
	qsort(payload->columns, n, sizeof(PayloadColumn), compare_columns);
	lay_out_head(payload);

	return payload;
}

bool
jo_row_payload_cannot_raise(const JoRowPayload *payload)
{
	return payload->cannot_raise;
}

/* Room for "length" more bytes; where they go. */
static inline char *
reserve(PayloadBuffer *buffer, Size length)
{
	char	   *at;

	if (unlikely(buffer->length + length > buffer->allocated))
	{
		buffer->allocated = Max(buffer->allocated * 2, buffer->length + length);
		buffer->data = repalloc_huge(buffer->data, buffer->allocated);
	}
	at = buffer->data + buffer->length;
	buffer->length += length;
	return at;
}

/* Numbers and containers begin at a multiple of four. */
static inline void
align(PayloadBuffer *buffer)
{
	Size		padding = INTALIGN(buffer->length) - buffer->length;

	if (padding > 0)
		memset(reserve(buffer, padding), 0, padding);
}

static inline void
put(PayloadBuffer *buffer, const void *bytes, Size length)
{
	memcpy(reserve(buffer, length), bytes, length);
}

static JEntry
put_numeric(PayloadBuffer *buffer, Numeric number)
{
	if (numeric_is_nan(number) || numeric_is_inf(number))
	{
		char	   *word = DatumGetCString(DirectFunctionCall1(numeric_out,
															   NumericGetDatum(number)));

		put(buffer, word, strlen(word));
		return JENTRY_ISSTRING;
	}
	align(buffer);
	put(buffer, number, VARSIZE_ANY(number));
	return JENTRY_ISNUMERIC;
}

/* Digits of a numeric are of this base; an int64 has at most five. */
#define NUMERIC_BASE 10000
#define MAX_DIGITS 5

/* The header of a numeric with short form, scale 0 and weight >= 0. */
#define NUMERIC_SHORT 0x8000
#define NUMERIC_SHORT_NEGATIVE 0x2000

/*
 * A whole number as int64_to_numeric() makes it, in the format that numeric.c
 * has on disk: a header with sign and weight, and the digits, most significant
 * first, without zeros at the end.
 */
static JEntry
put_integer(PayloadBuffer *buffer, int64 value)
{
	uint64		rest = value < 0 ? -(uint64) value : (uint64) value;
	int16		digits[MAX_DIGITS];
	int			first = MAX_DIGITS;
	int			stop = MAX_DIGITS;
	uint16		header = NUMERIC_SHORT;
	Size		length;
	char	   *at;

	for (; rest > 0; rest /= NUMERIC_BASE)
		digits[--first] = rest % NUMERIC_BASE;
	if (first < stop)
		header |= stop - first - 1;
	if (value < 0)
		header |= NUMERIC_SHORT_NEGATIVE;
	while (stop > first && digits[stop - 1] == 0)
		stop--;

	align(buffer);
	length = VARHDRSZ + sizeof(header) + (stop - first) * sizeof(int16);
	at = reserve(buffer, length);
	SET_VARSIZE(at, length);
	memcpy(at + VARHDRSZ, &header, sizeof(header));
	memcpy(at + VARHDRSZ + sizeof(header), digits + first,
		   (stop - first) * sizeof(int16));
	return JENTRY_ISNUMERIC;
}

static JEntry
put_uuid(PayloadBuffer *buffer, const pg_uuid_t *uuid)
{
	static const char digits[] = "0123456789abcdef";
	char	   *at = reserve(buffer, 36);

	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[uuid->data[i] >> 4];
		*at++ = digits[uuid->data[i] & 0x0F];
	}
	return JENTRY_ISSTRING;
}

/* A jsonb value inside ours: its root, or the scalar that its root wraps. */
static JEntry
put_jsonb(PayloadBuffer *buffer, const Jsonb *value)
{
	Size		length = VARSIZE(value) - VARHDRSZ;

	if (JB_ROOT_IS_SCALAR(value))
	{
		JEntry		entry = value->root.children[0];
		Size		header = sizeof(uint32) + sizeof(JEntry);

		if (JBE_ISNUMERIC(entry))
			align(buffer);
		put(buffer, VARDATA(value) + header, length - header);
		return entry & JENTRY_TYPEMASK;
	}
	align(buffer);
	put(buffer, VARDATA(value), length);
	return JENTRY_ISCONTAINER;
}

/* Add one value; its entry's type bits. */
static JEntry
put_value(PayloadBuffer *buffer, PayloadColumn *column, Datum value)
{
	static const int utc = 0;
	char		encoded[MAXDATELEN + 1];
	text	   *string;

	switch (column->kind)
	{
		case COLUMN_BOOL:
			return DatumGetBool(value) ?
				JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
		case COLUMN_INT2:
			return put_integer(buffer, DatumGetInt16(value));
		case COLUMN_INT4:
			return put_integer(buffer, DatumGetInt32(value));
		case COLUMN_INT8:
			return put_integer(buffer, DatumGetInt64(value));
		case COLUMN_NUMERIC:
			return put_numeric(buffer, DatumGetNumeric(value));
		case COLUMN_STRING:
			string = DatumGetTextPP(value);
			put(buffer, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
			return JENTRY_ISSTRING;
		case COLUMN_UUID:
			return put_uuid(buffer, DatumGetUUIDP(value));
		case COLUMN_TIME:
			JsonEncodeDateTime(encoded, value, column->type,
							   column->type == TIMESTAMPTZOID ? &utc : NULL);
			put(buffer, encoded, strlen(encoded));
			return JENTRY_ISSTRING;
		case COLUMN_JSONB:
			return put_jsonb(buffer, DatumGetJsonbP(value));
		case COLUMN_OTHER:
			return put_jsonb(buffer,
							 DatumGetJsonbP(FunctionCall1(&column->to_jsonb,
														  value)));
	}
	return JENTRY_ISNULL;		/* keep compiler quiet */
}

Jsonb *
jo_row_payload_build(JoRowPayload *payload, TupleTableSlot *slot)
{
	PayloadBuffer buffer;
	uint32		total = payload->keys_length;

	slot_getsomeattrs(slot, payload->last_attnum);

	buffer.allocated = payload->head_length + 32 * payload->count + 64;
	buffer.data = palloc(buffer.allocated);
	buffer.length = payload->head_length;
	memcpy(buffer.data, payload->head, payload->head_length);

	for (int i = 0; i < payload->count; i++)
	{
		PayloadColumn *column = &payload->columns[i];
		int			index = payload->count + i;
		Size		before = buffer.length;
		JEntry		entry = JENTRY_ISNULL;
		Size		length;

		if (!slot->tts_isnull[column->attnum - 1])
			entry = put_value(&buffer, column,
							  slot->tts_values[column->attnum - 1]);

		length = buffer.length - before;
		if (buffer.length > JENTRY_OFFLENMASK)
			return NULL;
		total += length;
		entry |= index % JB_OFFSET_STRIDE == 0 ?
			total | JENTRY_HAS_OFF : length;
		((JEntry *) (buffer.data + VARHDRSZ + sizeof(uint32)))[index] = entry;
	}

	SET_VARSIZE(buffer.data, buffer.length);
	return (Jsonb *) buffer.data;
}
