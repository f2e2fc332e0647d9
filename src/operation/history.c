/*
 * operation/history.c
 *	  The event log as a simulation replays it.
 *
 * One statement reads what happened between two instants, in order of customer
 * and ticket; a cursor hands it out, so that memory does not depend on how much
 * that is.  Events that runs have caused are left out: the runs of the
 * simulation cause theirs anew.  So are acts on journeys, which are not played
 * again.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "core/run_as.h"
#include "operation/population.h"

/* Events fetched at once. */
#define FETCH 1000

/* A chunk takes no further customer when its events carry so many bytes. */
#define CHUNK_BYTES (16 * 1024 * 1024)

/* Columns of the statement. */
enum
{
	COLUMN_CUSTOMER = 1,
	COLUMN_SEQ,
	COLUMN_KIND,
	COLUMN_NAME,
	COLUMN_INSTANT,
	COLUMN_PAYLOAD
};

typedef struct JoHistory
{
	Portal		portal;
	SPITupleTable *rows;		/* fetched last; NULL: none */
	uint64		count;
	uint64		next;
} JoHistory;

static const char *const statement =
"SELECT e.customer_id, e.seq, e.kind, e.name, e.instant, e.payload"
" FROM journey_orch.event AS e"
" WHERE e.kind IN ('e', 'c', 'm') AND e.customer_id <> ''"
" AND e.instant BETWEEN $1 AND $2"
" AND ($3 IS NULL OR e.customer_id = ANY ($3))"
" AND e.name NOT IN ('$act', '$release', 'message.deferred')"
" ORDER BY e.customer_id, e.seq";

JoHistory *
jo_history_begin(JoPopulation *population)
{
	JoHistory  *history = palloc0(sizeof(JoHistory));
	Datum	   *ids = palloc(population->nchosen * sizeof(Datum));
	Oid			types[3] = {TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTARRAYOID};
	Datum		values[3];
	JoRunAs		saved;

	for (int i = 0; i < population->nchosen; i++)
		ids[i] = CStringGetTextDatum(population->chosen[i]);
	values[0] = TimestampTzGetDatum(population->since);
	values[1] = TimestampTzGetDatum(population->until);
	values[2] = PointerGetDatum(construct_array(ids, population->nchosen,
												TEXTOID, -1, false,
												TYPALIGN_INT));
	jo_run_as_extension(&saved);
	history->portal = SPI_cursor_open_with_args(NULL, statement, 3, types,
												values,
												population->chosen != NULL ?
												"   " : "  n", true, 0);
	jo_run_as_end(&saved);
	return history;
}

/* Make sure that there is a row to look at; false: that was all. */
static bool
fetch(JoHistory *history)
{
	JoRunAs		saved;

	if (history->next < history->count)
		return true;
	if (history->rows != NULL)
		SPI_freetuptable(history->rows);
	jo_run_as_extension(&saved);
	SPI_cursor_fetch(history->portal, true, FETCH);
	jo_run_as_end(&saved);
	history->rows = SPI_tuptable;
	history->count = SPI_processed;
	history->next = 0;
	return history->count > 0;
}

static Datum
column(const JoHistory *history, int number, bool *isnull)
{
	return SPI_getbinval(history->rows->vals[history->next],
						 history->rows->tupdesc, number, isnull);
}

/* The event of the row under way, in CurrentMemoryContext. */
static JoEvent *
read_event(const JoHistory *history)
{
	JoEvent    *event = palloc0(sizeof(JoEvent));
	bool		isnull;
	Datum		payload;

	event->seq = DatumGetInt64(column(history, COLUMN_SEQ, &isnull));
	event->kind = DatumGetChar(column(history, COLUMN_KIND, &isnull));
	event->name = TextDatumGetCString(column(history, COLUMN_NAME, &isnull));
	event->instant = DatumGetTimestampTz(column(history, COLUMN_INSTANT,
												&isnull));
	payload = column(history, COLUMN_PAYLOAD, &isnull);
	if (!isnull)
		event->payload = DatumGetJsonbPCopy(payload);
	return event;
}

List *
jo_history_next(JoHistory *history, int n)
{
	List	   *subjects = NIL;
	JoSubject  *subject = NULL;
	Size		bytes = 0;

	while (fetch(history))
	{
		bool		isnull;
		char	   *customer_id =
		TextDatumGetCString(column(history, COLUMN_CUSTOMER, &isnull));
		JoEvent    *event;

		if (subject == NULL ||
			strcmp(subject->profile.customer_id, customer_id) != 0)
		{
			if (list_length(subjects) >= n || bytes > CHUNK_BYTES)
				break;
			subject = palloc0(sizeof(JoSubject));
			subject->profile.customer_id = customer_id;
			subjects = lappend(subjects, subject);
		}
		event = read_event(history);
		bytes += sizeof(JoEvent) +
			(event->payload != NULL ? VARSIZE(event->payload) : 0);
		jo_subject_add_event(subject, event);
		history->next++;
	}
	return subjects;
}
