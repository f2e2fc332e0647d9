/*
 * journey/picture.c
 *	  What a picture of a version shows: entry, steps, goal, exit rules, and the
 *	  ways between them; and the SQL functions that draw it.
 *
 * The words on a box come from the definition's JSON and not from the graph, so
 * that a form of a step which the engine learns is shown without a change here.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "journey/author.h"
#include "journey/picture.h"
#include "journey/schema.h"
#include "journey/store.h"

PG_FUNCTION_INFO_V1(journey_orch_mermaid);
PG_FUNCTION_INFO_V1(journey_orch_dot);
PG_FUNCTION_INFO_V1(journey_orch_definition_svg);

/*
 * A value in words: "for 1 day, at 09:00".  The recursion is as deep as the
 * grammar, which a stored definition fits.
 */
static void
append_words(StringInfo out, const JsonbValue *value)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	part;
	const char *separator = "";

	switch (value->type)
	{
		case jbvString:
			appendBinaryStringInfo(out, value->val.string.val, value->val.string.len);
			return;
		case jbvNumeric:
			appendStringInfoString(out,
								   DatumGetCString(DirectFunctionCall1(numeric_out,
																	   NumericGetDatum(value->val.numeric))));
			return;
		case jbvBool:
			appendStringInfoString(out, value->val.boolean ? "true" : "false");
			return;
		case jbvBinary:
			break;
		default:
			return;
	}
	check_stack_depth();
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &part, true)) != WJB_DONE)
	{
		if (token == WJB_KEY || token == WJB_ELEM)
		{
			appendStringInfoString(out, separator);
			separator = ", ";
		}
		if (token == WJB_VALUE)
			appendStringInfoChar(out, ' ');
		if (token == WJB_KEY || token == WJB_ELEM || token == WJB_VALUE)
			append_words(out, &part);
	}
}

/* Append "before" and the words of member "key"; false when there is none. */
static bool
append_member(StringInfo out, const char *before, JsonbValue *object,
			  const char *key)
{
	JsonbValue	value;
	JoPath		path;

	if (!jo_read_member(object, key, NULL, &value, &path))
		return false;
	appendStringInfoString(out, before);
	append_words(out, &value);
	return true;
}

/* The names that an object has. */
static void
append_keys(StringInfo out, JsonbValue *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	part;
	const char *separator = "";

	while ((token = JsonbIteratorNext(&iterator, &part, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		appendStringInfoString(out, separator);
		append_words(out, &part);
		separator = ", ";
	}
}

/* "on" and "when" of an entry, a goal or a rule. */
static void
append_condition(StringInfo out, const char *before, JsonbValue *rule)
{
	bool		has_on = append_member(out, before, rule, "on");

	(void) append_member(out, has_on || out->len > 0 ? " when " : "when ", rule,
						 "when");
}

static char *
entry_text(JsonbValue *root)
{
	JsonbValue	entry;
	JsonbValue	part;
	JoPath		path;
	StringInfoData out;

	initStringInfo(&out);
	if (!jo_read_object(root, "entry", NULL, &entry, &path))
		return out.data;
	if (jo_read_object(&entry, "schedule", NULL, &part, &path))
	{
		(void) append_member(&out, "at ", &part, "cron");
		(void) append_member(&out, " for ", &part, "audience");
	}
	else if (jo_read_object(&entry, "date", NULL, &part, &path))
	{
		(void) append_member(&out, "on date ", &part, "value");
		(void) append_member(&out, " offset ", &part, "offset");
		(void) append_member(&out, " at ", &part, "at");
		(void) append_member(&out, " every ", &part, "every");
	}
	else if (jo_read_boolean(&entry, "api", false))
		appendStringInfoString(&out, "by enter()");
	else if (jo_read_array(&entry, "journey", NULL, &part, &path))
		append_member(&out, "by journey ", &entry, "journey");
	else if (jo_read_boolean(&entry, "journey", false))
		appendStringInfoString(&out, "by another journey");
	append_condition(&out, "on ", &entry);
	(void) append_member(&out, " for ", &entry, "audience");
	return out.data;
}

/* What a step does, in a few words. */
static char *
step_text(const JoStep *step, JsonbValue *source)
{
	StringInfoData out;
	JsonbValue	verb;
	JsonbValue	part;
	JoPath		path;
	bool		is_object;

	initStringInfo(&out);
	if (!jo_read_member(source, jo_verb_name(step->verb), NULL, &verb, &path))
		return out.data;
	is_object = verb.type == jbvBinary &&
		JsonContainerIsObject(verb.val.binary.data);
	if (!is_object && step->verb != JO_BRANCH)
		append_words(&out, &verb);
	if (!is_object)
		return out.data;
	switch (step->verb)
	{
		case JO_SEND:
			(void) append_member(&out, "", &verb, "channels");
			(void) append_member(&out, ": ", &verb, "template");
			break;
		case JO_DELAY:
			appendStringInfoString(&out, jo_timing_summary(&verb));
			break;
		case JO_SPLIT:
			if (step->u.split.experiment)
				appendStringInfoString(&out, step->u.split.experiment);
			break;
		case JO_DECIDE:
			(void) append_member(&out, "", &verb, "bandit");
			(void) append_member(&out, "", &verb, "model");
			break;
		case JO_UPDATE:
			append_keys(&out, &verb);
			break;
		case JO_EMIT:
			(void) append_member(&out, "", &verb, "event");
			break;
		case JO_ENTER:
			(void) append_member(&out, "", &verb, "journey");
			break;
		case JO_DIGEST:
			(void) append_member(&out, "", &verb, "on");
			if (jo_read_object(&verb, "for", NULL, &part, &path))
				appendStringInfo(&out, ": %s", jo_timing_summary(&part));
			else
				(void) append_member(&out, " for ", &verb, "for");
			break;
		case JO_APPROVE:
			(void) append_member(&out, "", &verb, "question");
			break;
		case JO_WAIT:			/* its branches are on the ways out */
			if (step->u.wait.is_ranked)
				appendStringInfoString(&out, "ranked");
			break;
		case JO_BRANCH:
		case JO_CALL:
		case JO_EXIT:
			break;
	}
	return out.data;
}

static void
add_rule(JoPicture *picture, JoPictureKind kind, char *name, JsonbValue *rule)
{
	JoPictureNode *node = &picture->nodes[picture->nnodes++];
	StringInfoData text;

	initStringInfo(&text);
	append_condition(&text, "", rule);
	node->kind = kind;
	node->name = name;
	node->text = text.data;
}

static void
add_rules(JoPicture *picture, JsonbValue *root, const JoGraph *graph)
{
	JsonbValue	rules;
	JoPath		path;

	if (graph->has_goal && jo_read_object(root, "goal", NULL, &rules, &path))
		add_rule(picture, JO_PICTURE_GOAL, "", &rules);
	if (!jo_read_array(root, "exit", NULL, &rules, &path))
		return;
	for (int i = 0; i < graph->nexits; i++)
		add_rule(picture, JO_PICTURE_EXIT_RULE, graph->exit_reasons[i],
				 getIthJsonbValueFromContainer(rules.val.binary.data, i));
}

static void
add_steps(JoPicture *picture, JsonbValue *root, const JoGraph *graph)
{
	JsonbValue	steps;
	JsonbValue	source;
	JoPath		path;

	for (int i = 0; i < graph->nsteps; i++)
	{
		JoPictureNode *node = &picture->nodes[picture->nnodes++];

		CHECK_FOR_INTERRUPTS();
		node->kind = JO_PICTURE_STEP;
		node->verb = graph->steps[i].verb;
		node->name = graph->steps[i].name;
		node->text = "";
		if (jo_read_object(root, "steps", NULL, &steps, &path) &&
			jo_read_object(&steps, node->name, NULL, &source, &path))
			node->text = step_text(&graph->steps[i], &source);
	}
}

static void
add_edges(JoPicture *picture, const JoReading *reading)
{
	const JoGraph *graph = reading->graph;

	picture->edges = MemoryContextAllocHuge(CurrentMemoryContext,
											sizeof(JoPictureEdge) * ((Size) reading->nedges + 1));
	if (graph->start != JO_NO_STEP)
	{
		JoPictureEdge entry = {0, graph->start + 1, NULL, false};

		picture->edges[picture->nedges++] = entry;
	}
	for (int i = 0; i < reading->nedges; i++)
	{
		const JoEdge *edge = &reading->edges[i];
		JoPictureEdge drawn = {edge->from + 1, edge->to + 1, edge->label, false};

		if (edge->to == JO_NO_STEP)
			continue;
		drawn.is_failure = edge->label && strcmp(edge->label, "failure") == 0 &&
			graph->steps[edge->from].on_failure == edge->to;
		picture->edges[picture->nedges++] = drawn;
	}
}

JoPicture *
jo_picture(Jsonb *definition, int32 version, const JoReading *reading)
{
	const JoGraph *graph = reading->graph;
	JoPicture  *picture = palloc0(sizeof(JoPicture));
	JsonbValue	root;

	jo_json_root(definition, &root);
	picture->journey = graph->name;
	picture->version = version;
	picture->description = jo_read_string(&root, "description");
	picture->nsteps = graph->nsteps;
	picture->nodes = palloc0_array(JoPictureNode, graph->nsteps + graph->nexits + 2);
	picture->nodes[0].kind = JO_PICTURE_ENTRY;
	picture->nodes[0].name = graph->name;
	picture->nodes[0].text = entry_text(&root);
	picture->nnodes = 1;
	add_steps(picture, &root, graph);
	add_rules(picture, &root, graph);
	add_edges(picture, reading);
	return picture;
}

/* The arguments (journey, version) as a picture. */
static JoPicture *
picture_argument(FunctionCallInfo fcinfo)
{
	JoStoredJourney journey;
	int32		version;
	Jsonb	   *definition = jo_definition_argument(fcinfo, &journey, &version);
	JoReading  *reading = jo_definition_read(definition, GetUserId(), false);

	return jo_picture(definition, version, reading);
}

Datum
journey_orch_mermaid(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(jo_mermaid(picture_argument(fcinfo))));
}

Datum
journey_orch_dot(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(jo_dot(picture_argument(fcinfo))));
}

Datum
journey_orch_definition_svg(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(jo_svg(picture_argument(fcinfo))));
}
