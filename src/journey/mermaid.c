/*
 * journey/mermaid.c
 *	  A version as a Mermaid flowchart.
 *
 * Steps stand in breadth-first order and are named by their number, so the
 * text is the same for the same definition.  Everything an author wrote is
 * inside quotes, with Mermaid's and HTML's special characters as entities.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "journey/author.h"
#include "journey/schema.h"

#define MAX_LABEL 60

/* Append "text" so that it is nothing but text, at most MAX_LABEL characters. */
static void
append_escaped(StringInfo out, const char *text)
{
	int			length = strlen(text);
	int			clipped = pg_mbcharcliplen(text, length, MAX_LABEL);

	for (int i = 0; i < clipped; i++)
	{
		unsigned char c = text[i];

		if (c < ' ')
			appendStringInfoChar(out, ' ');
		else if (strchr("\"#&<>;`\\|", c) != NULL)
			appendStringInfo(out, "#%d;", c);
		else
			appendStringInfoChar(out, c);
	}
	if (clipped < length)
		appendStringInfoString(out, "...");
}

/* What a step does, in a few words. */
static char *
step_summary(const JoStep *step, JsonbValue *source)
{
	StringInfoData out;

	initStringInfo(&out);
	switch (step->verb)
	{
		case JO_SEND:
			for (int i = 0; i < step->u.send.nchannels; i++)
				appendStringInfo(&out, "%s%s", i > 0 ? ", " : "",
								 step->u.send.channels[i]);
			appendStringInfo(&out, ": %s",
							 step->u.send.template ? step->u.send.template : "");
			break;
		case JO_DELAY:
			{
				char	   *delay = jo_read_string(source, "delay");
				JsonbValue	form;
				JoPath		path;

				if (delay == NULL &&
					jo_read_object(source, "delay", NULL, &form, &path))
					delay = jo_timing_summary(&form);
				appendStringInfoString(&out, delay ? delay : "");
				break;
			}
		case JO_SPLIT:
			appendStringInfoString(&out, step->u.split.experiment ? step->u.split.experiment : "");
			break;
		case JO_UPDATE:
			for (int i = 0; i < step->u.update.nassignments; i++)
				appendStringInfo(&out, "%s%s", i > 0 ? ", " : "",
								 step->u.update.assignments[i].name);
			break;
		case JO_EXIT:
			appendStringInfoString(&out, step->u.exit.reason ? step->u.exit.reason : "");
			break;
		default:
			break;
	}
	return out.data;
}

static void
append_step(StringInfo out, const JoStep *step, JsonbValue *source)
{
	const char *open = "[";
	const char *close = "]";
	char	   *summary = step_summary(step, source);

	if (step->verb == JO_BRANCH || step->verb == JO_SPLIT || step->verb == JO_DECIDE)
	{
		open = "{";
		close = "}";
	}
	else if (step->verb == JO_DELAY || step->verb == JO_WAIT || step->verb == JO_DIGEST)
	{
		open = "([";
		close = "])";
	}
	else if (step->verb == JO_EXIT)
	{
		open = "((";
		close = "))";
	}
	appendStringInfo(out, "  s%d%s\"", step->position, open);
	append_escaped(out, step->name);
	appendStringInfo(out, "<br/>%s", jo_verb_name(step->verb));
	if (summary[0] != '\0')
	{
		appendStringInfoChar(out, ' ');
		append_escaped(out, summary);
	}
	appendStringInfo(out, "\"%s\n", close);
}

/* A goal or exit rule stands beside the steps: it ends a run anywhere. */
static void
append_rule(StringInfo out, const char *id, const char *title,
			JsonbValue *rule)
{
	char	   *on = jo_read_string(rule, "on");
	char	   *when = jo_read_string(rule, "when");

	appendStringInfo(out, "  %s{{\"%s", id, title);
	if (on)
	{
		appendStringInfoChar(out, ' ');
		append_escaped(out, on);
	}
	if (when)
	{
		appendStringInfoString(out, " when ");
		append_escaped(out, when);
	}
	appendStringInfoString(out, "\"}}\n");
}

static void
append_rules(StringInfo out, JsonbValue *root, const JoGraph *graph)
{
	JsonbValue	rules;
	JoPath		path;

	if (jo_read_object(root, "goal", NULL, &rules, &path))
		append_rule(out, "goal", "goal:", &rules);
	if (!jo_read_array(root, "exit", NULL, &rules, &path))
		return;
	for (int i = 0; i < graph->nexits; i++)
		append_rule(out, psprintf("exit%d", i + 1),
					psprintf("exit %s:", graph->exit_reasons[i]),
					getIthJsonbValueFromContainer(rules.val.binary.data, i));
}

char *
jo_mermaid(Jsonb *definition, const JoReading *reading)
{
	const JoGraph *graph = reading->graph;
	StringInfoData out;
	JsonbValue	root;
	JsonbValue	steps;
	JsonbValue	source;
	JoPath		path;

	initStringInfo(&out);
	appendStringInfoString(&out, "flowchart TD\n  entry([\"");
	append_escaped(&out, graph->name);
	if (graph->entry.on)
	{
		appendStringInfoString(&out, "<br/>on ");
		append_escaped(&out, graph->entry.on);
	}
	appendStringInfoString(&out, "\"])\n");

	jo_json_root(definition, &root);
	append_rules(&out, &root, graph);
	if (!jo_read_object(&root, "steps", NULL, &steps, &path))
		return out.data;
	for (int i = 0; i < graph->nsteps; i++)
	{
		if (jo_read_object(&steps, graph->steps[i].name, NULL, &source, &path))
			append_step(&out, &graph->steps[i], &source);
	}
	if (graph->start != JO_NO_STEP)
		appendStringInfo(&out, "  entry --> s%d\n", graph->start);
	for (int i = 0; i < reading->nedges; i++)
	{
		const JoEdge *edge = &reading->edges[i];

		if (edge->to == JO_NO_STEP)
			continue;
		appendStringInfo(&out, "  s%d -->", edge->from);
		if (edge->label)
		{
			appendStringInfoString(&out, "|\"");
			append_escaped(&out, edge->label);
			appendStringInfoString(&out, "\"|");
		}
		appendStringInfo(&out, " s%d\n", edge->to);
	}
	return out.data;
}
