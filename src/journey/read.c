/*
 * journey/read.c
 *	  The reader: one definition in, a graph and all its findings out.
 *
 * First the structure, along schema.json; then every part of it is read into
 * the graph, with findings about names, durations and expressions; then the
 * graph is looked at as a whole.  check_definition() shows the findings,
 * define() and publish() refuse on one of severity error, and the cache reads
 * a stored version again to get its graph.
 *
 * Nothing here is worse than n log n in the size of the definition: ten
 * thousand steps are allowed, and any JSON may come.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "audience/audience.h"
#include "journey/reader.h"
#include "journey/schema.h"

static const char *const verb_names[] = {
	"send", "delay", "wait", "branch", "split", "decide", "update", "call",
	"emit", "enter", "digest", "approve", "exit"
};

const char *
jo_verb_name(JoVerb verb)
{
	return verb_names[verb];
}

/* The verb of a step, when it has exactly one. */
static void
find_verb(JoStepSource *source)
{
	int			n = 0;

	for (int verb = 0; verb < lengthof(verb_names); verb++)
	{
		JsonbValue	ignored;
		JoPath		path;

		if (!jo_read_member(&source->value, verb_names[verb], NULL, &ignored, &path))
			continue;
		source->verb = verb;
		n++;
	}
	source->has_verb = n == 1;
}

static void
collect_steps(JoReader *reader, JsonbValue *root)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	steps;
	JsonbValue	member;
	JoPath		path;
	int			n = 0;

	if (!jo_read_object(root, "steps", NULL, &steps, &path))
		return;
	reader->nsteps = JsonContainerSize(steps.val.binary.data);
	reader->sources = palloc0_array(JoStepSource, reader->nsteps + 1);
	iterator = JsonbIteratorInit(steps.val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			reader->sources[n].name = member;
		else if (token == WJB_VALUE)
		{
			reader->sources[n].value = member;
			find_verb(&reader->sources[n]);
			n++;
		}
	}
}

static void
read_top(JoReader *reader, JsonbValue *root)
{
	JoGraph    *graph = reader->graph;
	char	   *word;

	graph->name = jo_read_string(root, "journey");
	if (graph->name == NULL)
		graph->name = pstrdup("");
	graph->priority = jo_read_integer(root, "priority", 50);
	word = jo_read_string(root, "absent_customer");
	graph->enters_without_customer = word && strcmp(word, "enter") == 0;
	word = jo_read_string(root, "deleted_customer");
	graph->survives_customer = word && strcmp(word, "continue") == 0;
	jo_read_timezone(reader, root, NULL);
	graph->late_after.interval.time = USECS_PER_HOUR;
	graph->late_after.is_elapsed = true;
	(void) jo_read_duration(reader, root, "late_after", NULL,
							&graph->late_after);
}

JoReading *
jo_definition_read(Jsonb *definition, Oid owner, bool is_for_author)
{
	JoReading  *reading = palloc0(sizeof(JoReading));
	JoReader	reader = {0};
	JsonbValue	root;

	jo_findings_init(&reading->findings);
	jo_json_root(definition, &root);
	jo_schema_check(&root, &reading->findings);

	reader.findings = &reading->findings;
	reader.owner = owner;
	reader.is_for_author = is_for_author;
	reader.customer_type = jo_customer_type();
	reader.graph = palloc0(sizeof(JoGraph));
	reader.graph->owner = owner;

	collect_steps(&reader, &root);
	reader.graph->nsteps = reader.nsteps;
	reader.graph->steps = MemoryContextAllocHuge(CurrentMemoryContext,
												 sizeof(JoStep) * (reader.nsteps + 1));
	memset(reader.graph->steps, 0, sizeof(JoStep) * (reader.nsteps + 1));

	read_top(&reader, &root);
	jo_read_entry(&reader, &root);
	jo_read_goal(&reader, &root);
	jo_read_exits(&reader, &root);
	jo_read_target(&reader, JO_NO_STEP, &root, "start", NULL, NULL, true,
				   &reader.graph->start);
	for (int i = 0; i < reader.nsteps; i++)
		jo_read_step(&reader, i);

	jo_check_graph(&reader);
	jo_find_enters(&reader);
	jo_check_digests(&reader);
	jo_number_steps(&reader);
	if (is_for_author)
	{
		jo_check_names(&reader);
		jo_check_rules(&reader);
		jo_check_templates(&reader);
		jo_check_enters(&reader);
	}

	jo_findings_sort(&reading->findings);
	reading->graph = reader.graph;
	reading->nedges = reader.nedges;
	reading->edges = reader.edges;
	return reading;
}
