/*
 * journey/cache.c
 *	  What a backend knows of journeys: when each was live, and their compiled
 *	  graphs.
 *
 * Names, acts and entry events of all journeys are loaded when the cache is
 * filled; the graph of a version is compiled when first asked for.  A lane
 * asks for every event "whom may it enter?", so that question is a hash
 * look-up by event name and a search among the acts of the journeys concerned,
 * remembered for every span between two acts.
 *
 * Versions never change and acts are only appended, so everything here stays
 * true until one of the tables changes, or an object that an expression names.
 * A version that no longer compiles (a dropped column, a dropped owner) keeps
 * its graph with "error" set: only its own runs are parked.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "audience/audience.h"
#include "core/cache.h"
#include "core/errors.h"
#include "core/run_as.h"
#include "journey/acts.h"
#include "journey/pretend.h"
#include "journey/reader.h"

typedef struct CachedJourney
{
	int32		journey_id;		/* hash key */
	char	   *name;
	Oid			owner;
} CachedJourney;

typedef struct CachedGraph
{
	struct
	{
		int32		journey_id;
		int32		version;
	}			key;
	JoGraph    *graph;			/* NULL: no such version */
} CachedGraph;

/* An event name that some published version enters on. */
typedef struct CachedEvent
{
	const char *name;			/* hash key, by content */
	List	   *journeys;		/* CachedJourney * */
	int			nseqs;
	int64	   *seqs;			/* of all their acts, sorted; NULL: not yet */
	List	  **graphs;			/* JoGraph * by span; nseqs + 1 of them */
	bool	   *is_known;		/* by span */
} CachedEvent;

static JoCache cache = {
	.name = "journey",
	.tables = {"journey", "journey_version", "publication", "customer_binding"},
	.holds_expressions = true
};

static HTAB *journeys;			/* CachedJourney by id */
static HTAB *graphs;			/* CachedGraph */
static HTAB *events;			/* CachedEvent by name */

static uint32
name_hash(const void *key, Size keysize)
{
	const char *name = *(const char *const *) key;

	return DatumGetUInt32(hash_any((const unsigned char *) name, strlen(name)));
}

static int
name_match(const void *a, const void *b, Size keysize)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
create_tables(void)
{
	HASHCTL		control = {0};

	control.hcxt = jo_cache_context(&cache);
	control.keysize = sizeof(int32);
	control.entrysize = sizeof(CachedJourney);
	journeys = hash_create("journey_orch journeys", 64, &control,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	control.keysize = sizeof(((CachedGraph *) NULL)->key);
	control.entrysize = sizeof(CachedGraph);
	graphs = hash_create("journey_orch graphs", 64, &control,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	control.keysize = sizeof(char *);
	control.entrysize = sizeof(CachedEvent);
	control.hash = name_hash;
	control.match = name_match;
	events = hash_create("journey_orch entry events", 64, &control,
						 HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static Datum
column(HeapTuple tuple, int number, bool *isnull)
{
	return SPI_getbinval(tuple, SPI_tuptable->tupdesc, number, isnull);
}

/* A text column in the cache's context. */
static char *
cached_text(HeapTuple tuple, int number)
{
	bool		isnull;
	Datum		value = column(tuple, number, &isnull);
	char	   *word;
	char	   *copy;

	if (isnull)
		return NULL;
	word = TextDatumGetCString(value);
	copy = MemoryContextStrdup(jo_cache_context(&cache), word);
	pfree(word);
	return copy;
}

static void
load_journeys(void)
{
	bool		isnull;

	if (SPI_execute("SELECT journey_id, name, owner::oid"
					" FROM journey_orch.journey", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read journeys");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		int32		id = DatumGetInt32(column(tuple, 1, &isnull));
		CachedJourney *journey = hash_search(journeys, &id, HASH_ENTER, NULL);

		journey->name = cached_text(tuple, 2);
		journey->owner = DatumGetObjectId(column(tuple, 3, &isnull));
	}
}

static void
load_events(void)
{
	if (SPI_execute("SELECT DISTINCT v.journey_id, coalesce(v.definition -> 'entry' ->> 'on', '" JO_COMMAND_DATE "')"
					" FROM journey_orch.journey_version v"
					" WHERE v.definition -> 'entry' ?| '{on,date}'"
					" AND EXISTS (SELECT FROM journey_orch.publication p"
					"  WHERE p.journey_id = v.journey_id AND p.version = v.version)",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read entry events");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		bool		isnull;
		bool		found;
		int32		id = DatumGetInt32(column(tuple, 1, &isnull));
		char	   *name = cached_text(tuple, 2);
		CachedJourney *journey = hash_search(journeys, &id, HASH_FIND, NULL);
		CachedEvent *event;
		MemoryContext oldcontext;

		if (journey == NULL)
			continue;
		event = hash_search(events, &name, HASH_ENTER, &found);
		if (!found)
		{
			event->name = name;
			event->journeys = NIL;
			event->seqs = NULL;
		}
		oldcontext = MemoryContextSwitchTo(jo_cache_context(&cache));
		event->journeys = lappend(event->journeys, journey);
		MemoryContextSwitchTo(oldcontext);
	}
}

/* Run "load" over SPI as the extension, with a snapshot. */
static void
with_spi(void (*load) (void *), void *argument)
{
	bool		pushes = !ActiveSnapshotSet();
	JoRunAs		saved;

	if (pushes)
		PushActiveSnapshot(GetTransactionSnapshot());
	jo_run_as_extension(&saved);
	SPI_connect();
	load(argument);
	SPI_finish();
	jo_run_as_end(&saved);
	if (pushes)
		PopActiveSnapshot();
}

static void
load_all(void *unused)
{
	load_journeys();
	load_events();
}

void
jo_journey_cache_begin(void)
{
	Oid			relation;

	jo_acts_begin();
	if (!jo_cache_begin(&cache))
		return;
	create_tables();
	relation = jo_customer_relation();
	if (OidIsValid(relation))
		jo_cache_watch(&cache, relation);
	with_spi(load_all, NULL);
	jo_cache_filled(&cache);
}

void
jo_journey_cache_end(void)
{
	jo_cache_end(&cache);
	jo_acts_end();
}

/* ---- graphs ---- */

typedef struct StoredDefinition
{
	int32		journey_id;
	int32		version;
	Jsonb	   *definition;		/* out, in the cache's context; NULL: none */
} StoredDefinition;

static void
load_definition(void *argument)
{
	StoredDefinition *stored = argument;
	Oid			argtypes[2] = {INT4OID, INT4OID};
	Datum		args[2];
	bool		isnull;
	MemoryContext oldcontext;

	args[0] = Int32GetDatum(stored->journey_id);
	args[1] = Int32GetDatum(stored->version);
	if (SPI_execute_with_args("SELECT definition FROM journey_orch.journey_version"
							  " WHERE journey_id = $1 AND version = $2",
							  2, argtypes, args, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read a definition");
	if (SPI_processed == 0)
		return;
	oldcontext = MemoryContextSwitchTo(jo_cache_context(&cache));
	stored->definition =
		DatumGetJsonbPCopy(column(SPI_tuptable->vals[0], 1, &isnull));
	MemoryContextSwitchTo(oldcontext);
}

/* Why a stored version cannot run: its first finding. */
static JoError *
first_error(const JoFindings *findings)
{
	JoFinding  *finding = linitial(findings->list);
	JoError    *error = palloc0(sizeof(JoError));

	if (finding->sqlstate[0] != '\0')
		strlcpy(error->sqlstate, finding->sqlstate, sizeof(error->sqlstate));
	else
		strlcpy(error->sqlstate,
				unpack_sql_state(finding->code == JO_FINDING_NOT_BUILT ?
								 ERRCODE_FEATURE_NOT_SUPPORTED :
								 ERRCODE_JO_INVALID_DEFINITION),
				sizeof(error->sqlstate));
	error->message = finding->message;
	error->detail = psprintf("At %s of the definition.", finding->path);
	error->hint = finding->hint;
	return error;
}

static JoError *
missing_owner(Oid owner)
{
	JoError    *error = palloc0(sizeof(JoError));

	strlcpy(error->sqlstate, unpack_sql_state(ERRCODE_UNDEFINED_OBJECT),
			sizeof(error->sqlstate));
	error->message = psprintf("the role with OID %u, which owns the journey, does not exist", owner);
	return error;
}

/* Compile in the cache's context. */
static JoGraph *
compile(const CachedJourney *journey, const StoredDefinition *stored)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(jo_cache_context(&cache));
	bool		pushes = !ActiveSnapshotSet();
	JoReading  *reading;
	JoGraph    *graph;

	/* Parse analysis of an expression may fold a cast into a constant. */
	if (pushes)
		PushActiveSnapshot(GetTransactionSnapshot());
	reading = jo_definition_read(stored->definition, journey->owner, false);
	if (pushes)
		PopActiveSnapshot();

	graph = reading->graph;
	graph->journey_id = stored->journey_id;
	graph->version = stored->version;
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(journey->owner)))
		graph->error = missing_owner(journey->owner);
	else if (reading->findings.errors > 0 || reading->findings.not_built > 0)
		graph->error = first_error(&reading->findings);
	MemoryContextSwitchTo(oldcontext);
	return graph;
}

JoGraph *
jo_graph(int32 journey_id, int32 version)
{
	StoredDefinition stored = {journey_id, version, NULL};
	CachedJourney *journey;
	CachedGraph *cached;
	CachedGraph key = {0};
	JoGraph    *graph = NULL;

	if (jo_pretence != NULL)
		return jo_pretended_graph(journey_id);
	key.key.journey_id = journey_id;
	key.key.version = version;
	cached = hash_search(graphs, &key.key, HASH_FIND, NULL);
	if (cached != NULL)
		return cached->graph;

	journey = hash_search(journeys, &journey_id, HASH_FIND, NULL);
	if (journey != NULL)
	{
		with_spi(load_definition, &stored);
		if (stored.definition != NULL)
			graph = compile(journey, &stored);
	}
	/* Entered only now: what raised above leaves nothing half-made. */
	cached = hash_search(graphs, &key.key, HASH_ENTER, NULL);
	cached->graph = graph;
	return graph;
}

/* ---- who enters ---- */

int32
jo_journey_id(const char *name)
{
	HASH_SEQ_STATUS scan;
	CachedJourney *journey;
	int32		result = 0;

	if (jo_pretence != NULL)
		return jo_pretended_id(name);
	hash_seq_init(&scan, journeys);
	while ((journey = hash_seq_search(&scan)) != NULL)
	{
		if (strcmp(journey->name, name) != 0)
			continue;
		result = journey->journey_id;
		hash_seq_term(&scan);
		break;
	}
	return result;
}

static int
compare_seqs(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return left < right ? -1 : left > right ? 1 : 0;
}

/* Where the answer for an event name may change: at the acts of its journeys. */
static void
find_spans(CachedEvent *event)
{
	MemoryContext context = jo_cache_context(&cache);
	int64	   *seqs;
	ListCell   *cell;
	int			nacts;
	int			n = 0;

	foreach(cell, event->journeys)
	{
		(void) jo_acts(((CachedJourney *) lfirst(cell))->journey_id, &nacts);
		n += nacts;
	}
	event->graphs = MemoryContextAllocZero(context, sizeof(List *) * (n + 1));
	event->is_known = MemoryContextAllocZero(context, sizeof(bool) * (n + 1));
	seqs = MemoryContextAlloc(context, sizeof(int64) * (n + 1));
	event->nseqs = n;
	n = 0;
	foreach(cell, event->journeys)
	{
		CachedJourney *journey = lfirst(cell);
		const JoAct *acts = jo_acts(journey->journey_id, &nacts);

		for (int i = 0; i < nacts; i++)
			seqs[n++] = acts[i].seq;
	}
	qsort(seqs, n, sizeof(int64), compare_seqs);
	event->seqs = seqs;
}

/* How many of the acts come before "seq": the number of its span. */
static int
span_of(const CachedEvent *event, int64 seq)
{
	int			low = 0;
	int			high = event->nseqs;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (event->seqs[middle] < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
jo_compare_graphs(const ListCell *a, const ListCell *b)
{
	const JoGraph *left = lfirst(a);
	const JoGraph *right = lfirst(b);

	if (left->priority != right->priority)
		return left->priority > right->priority ? -1 : 1;
	return left->journey_id < right->journey_id ? -1 : 1;
}

/*
 * The graphs that an event named as "name" may enter, in CurrentMemoryContext.
 */
/* Is it the event that enters, or does it stand for the date that does? */
bool
jo_graph_is_entered_by(const JoGraph *graph, const char *name)
{
	if (graph->entry.kind == JO_ENTRY_DATE)
		return strcmp(name, JO_COMMAND_DATE) == 0;
	return graph->entry.on != NULL && strcmp(graph->entry.on, name) == 0;
}

static List *
collect_graphs(const CachedEvent *name, const JoEvent *event)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, name->journeys)
	{
		CachedJourney *journey = lfirst(cell);
		const JoAct *act = jo_act_met(journey->journey_id, event);
		JoGraph    *graph;

		/* Whether it takes newcomers is asked when one comes (entry.c). */
		if (act == NULL || act->state == JO_JOURNEY_ARCHIVED)
			continue;
		graph = jo_graph(journey->journey_id, act->version);
		if (graph == NULL || !jo_graph_is_entered_by(graph, name->name))
			continue;
		result = lappend(result, graph);
	}
	list_sort(result, jo_compare_graphs);
	return result;
}

List *
jo_graphs_entered_by(const JoEvent *event)
{
	CachedEvent *name = hash_search(events, &event->name, HASH_FIND, NULL);
	int			span;

	if (jo_pretence != NULL)
		return jo_pretended_entered_by(event->name);
	if (name == NULL)
		return NIL;
	if (jo_acts_may_have_missed(event))
		return collect_graphs(name, event);
	if (name->seqs == NULL)
		find_spans(name);
	span = span_of(name, event->act_seq);
	if (!name->is_known[span])
	{
		MemoryContext caller = MemoryContextSwitchTo(jo_cache_context(&cache));

		name->graphs[span] = collect_graphs(name, event);
		name->is_known[span] = true;
		MemoryContextSwitchTo(caller);
	}
	return name->graphs[span];
}

bool
jo_event_enters(const char *name)
{
	if (jo_pretence != NULL)
		return jo_pretended_entered_by(name) != NIL;
	return hash_search(events, &name, HASH_FIND, NULL) != NULL;
}

List *
jo_live_graphs(void)
{
	HASH_SEQ_STATUS scan;
	CachedJourney *journey;
	List	   *ids = NIL;
	List	   *result = NIL;
	ListCell   *cell;

	/* Compiling may read: not while the table is scanned. */
	hash_seq_init(&scan, journeys);
	while ((journey = hash_seq_search(&scan)) != NULL)
		ids = lappend_int(ids, journey->journey_id);
	foreach(cell, ids)
	{
		const JoAct *act = jo_act_before(lfirst_int(cell), PG_INT64_MAX);
		JoGraph    *graph;

		if (act == NULL || act->is_stopped ||
			act->state == JO_JOURNEY_ARCHIVED)
			continue;
		graph = jo_graph(lfirst_int(cell), act->version);
		if (graph != NULL)
			result = lappend(result, graph);
	}
	list_free(ids);
	return result;
}

List *
jo_graphs_entered_by_date(int64 seq)
{
	JoEvent		event = {
		.name = JO_COMMAND_DATE,
		.kind = JO_EVENT_KIND_COMMAND,
		.seq = seq,
		.act_seq = seq
	};

	return jo_graphs_entered_by(&event);
}

void
jo_journey_init(void)
{
	jo_acts_init();
	jo_template_use_init();
	jo_cache_register(&cache);
}
