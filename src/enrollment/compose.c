/*
 * enrollment/compose.c
 *	  Composes messages for many runs at once: address, then content.
 *
 * The address is the channel's own expression, evaluated as the operator who
 * set the channel; the content is the template's, as the author who wrote it.
 * In between the gates are asked, so that nothing is rendered in vain.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "content/content.h"
#include "core/errors.h"
#include "enrollment/batch.h"
#include "enrollment/message.h"

/* One message under way. */
typedef struct Composition
{
	JoTask	   *task;
	int			ordinal;		/* index of its error */
	JoChannel  *channel;
	JoTemplate *template;
	char	   *address;
} Composition;

static JoError *
make_error(int code, char *message)
{
	JoError    *error = palloc0(sizeof(JoError));

	strlcpy(error->sqlstate, unpack_sql_state(code), sizeof(error->sqlstate));
	error->message = message;
	return error;
}

/* Find channel and template of one request; NULL or what is wrong. */
static JoError *
resolve(Composition *composition)
{
	JoTask	   *task = composition->task;
	const JoStep *step = task->run->visit_state.step;
	const char *channel = step->u.send.channels[task->channel];

	composition->channel = jo_channel_find(channel);
	if (composition->channel == NULL)
		return make_error(ERRCODE_UNDEFINED_OBJECT,
						  psprintf("channel \"%s\" does not exist", channel));
	if (composition->channel->address == NULL)
		return composition->channel->error;
	composition->template = jo_template_find(step->u.send.template, channel,
											 task->member->profile.locale);
	if (composition->template == NULL)
		return make_error(ERRCODE_UNDEFINED_OBJECT,
						  psprintf("template \"%s\" has no version for channel \"%s\"",
								   step->u.send.template, channel));
	return NULL;
}

static int
compare_by_channel(const void *a, const void *b)
{
	const Composition *left = a;
	const Composition *right = b;

	return (left->channel > right->channel) - (left->channel < right->channel);
}

static int
compare_by_template(const void *a, const void *b)
{
	const Composition *left = a;
	const Composition *right = b;

	return (left->template > right->template) -
		(left->template < right->template);
}

static const JoVariables **
collect_variables(JoBatch *batch, Composition *compositions, int n, int uses)
{
	const JoVariables **rows = palloc(n * sizeof(JoVariables *));

	for (int i = 0; i < n; i++)
		rows[i] = jo_run_variables(batch, compositions[i].task->run, uses);
	return rows;
}

/* Evaluate the address of n messages of one channel. */
static void
address_group(JoBatch *batch, Composition *compositions, int n,
			  JoError **errors)
{
	JoExpression *address = compositions[0].channel->address;
	const JoVariables **rows = collect_variables(batch, compositions, n,
												 jo_expression_uses(address));
	Datum	   *values = palloc(n * sizeof(Datum));
	bool	   *isnull = palloc(n * sizeof(bool));
	JoError   **group_errors = palloc0(n * sizeof(JoError *));

	jo_expression_evaluate(address, n, rows, values, isnull, group_errors);
	for (int i = 0; i < n; i++)
	{
		compositions[i].address = NULL;
		if (group_errors[i] != NULL)
			errors[compositions[i].ordinal] = group_errors[i];
		else if (!isnull[i])
			compositions[i].address = TextDatumGetCString(values[i]);
	}
}

/* Has the message more bytes of text than its channel takes? */
static bool
is_too_large(const JoChannel *channel, const JoRendered *rendered)
{
	const char *parts[] = {rendered->subject, rendered->body, rendered->html};
	Size		bytes = 0;

	if (channel->size_limit == 0)
		return false;
	for (int i = 0; i < lengthof(parts); i++)
		if (parts[i] != NULL)
			bytes += strlen(parts[i]);
	return bytes > channel->size_limit;
}

/*
 * Say what n messages of one channel are about, as variable "message" of their
 * runs.  What is simulated gets links without power.
 */
static JoMessageFacts *
describe_group(JoBatch *batch, Composition *compositions, int n, uint32 fields)
{
	JoMessageFacts *facts = palloc(n * sizeof(JoMessageFacts));

	for (int i = 0; i < n; i++)
	{
		JoRun	   *run = compositions[i].task->run;
		JoMessageSource source = {
			.fields = fields,
			.channel = compositions[i].channel->name,
			.customer_id = run->member->customer_id,
			.topic = run->visit_state.step->u.send.topic,
			.now = run->member->now,
			.is_preview = batch->simulation != NULL
		};

		jo_message_describe(&source, &facts[i]);
		run->variables.message = jo_message_variable(&facts[i]);
		run->variables.message_isnull = false;
	}
	return facts;
}

/*
 * What the law does not let out: a marketing message without the sender's
 * address or a way to stop it.  publish() refuses the journey, set_template() the
 * template; but a topic may become one of marketing later.
 */
static JoError *
find_fault(const Composition *composition, const JoMessageFacts *facts)
{
	int			lacks = jo_message_lacks(facts, composition->template,
										 composition->channel->opt_out);
	JoError    *error;

	if (lacks == 0)
		return NULL;
	error = make_error(ERRCODE_JO_RENDER_FAILED,
					   psprintf("a marketing message of template \"%s\" in channel \"%s\" has no %s",
								composition->task->run->visit_state.step->u.send.template,
								composition->channel->name,
								lacks & JO_LACKS_ADDRESS ? "postal address" :
								"way to stop it"));
	error->hint = pstrdup("See journey_orch.check_definition() and journey_orch.set_sender().");
	return error;
}

/* Render n messages of one template. */
static void
render_group(JoBatch *batch, Composition *compositions, int n,
			 JoError **errors)
{
	JoTemplate *template = compositions[0].template;
	int			uses = jo_template_uses(template);
	JoOptOut	form = compositions[0].channel->opt_out;
	bool		is_mail = form == JO_OPT_OUT_LINK;
	const JoVariables **rows = collect_variables(batch, compositions, n, uses);
	JoRendered *rendered = palloc0(n * sizeof(JoRendered));
	JoMessageFacts *facts = NULL;

	if (form != JO_OPT_OUT_NONE || (uses & JO_USES_MESSAGE))
		facts = describe_group(batch, compositions, n,
							   jo_template_message_fields(template) |
							   (is_mail ? JO_MESSAGE_UNSUBSCRIBE_URL : 0));
	jo_template_render(template, n, rows, rendered);
	for (int i = 0; i < n; i++)
	{
		if (rendered[i].error == NULL && form != JO_OPT_OUT_NONE)
			rendered[i].error = find_fault(&compositions[i], &facts[i]);
		if (rendered[i].error != NULL)
		{
			errors[compositions[i].ordinal] = rendered[i].error;
			continue;
		}
		if (is_too_large(compositions[i].channel, &rendered[i]))
		{
			compositions[i].task->composed = JO_COMPOSED_TOO_LARGE;
			continue;
		}
		if (is_mail)
			rendered[i].headers = jo_message_add_headers(rendered[i].headers,
														 &facts[i]);
		compositions[i].task->is_handed_over =
			jo_channel_hands_over(compositions[i].channel);
		compositions[i].task->payload =
			jo_streq(compositions[i].channel->kind, "audience") ?
			jo_outbox_audience_payload(compositions[i].address,
									   rendered[i].body) :
			jo_outbox_payload(compositions[i].address, rendered[i].subject,
							  rendered[i].body, rendered[i].html,
							  rendered[i].headers);
	}
}

/* Drop what has an error or no address from the list; returns what remains. */
static int
keep_addressed(Composition *compositions, int n, JoError **errors)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		Composition *composition = &compositions[i];

		if (errors[composition->ordinal] != NULL)
			continue;
		if (composition->address == NULL || composition->address[0] == '\0')
		{
			composition->task->composed = JO_COMPOSED_NO_ADDRESS;
			continue;
		}
		composition->task->composed = JO_COMPOSED;
		compositions[kept++] = *composition;
	}
	return kept;
}

/* Ask the gates; drop what they withhold.  Returns what remains. */
static int
keep_allowed(JoBatch *batch, Composition *compositions, int n)
{
	JoGates    *gates = jo_message_gates_begin(batch);
	int			kept = n;

	if (jo_gates_are_active(gates))
	{
		kept = 0;
		for (int i = 0; i < n; i++)
		{
			JoTask	   *task = compositions[i].task;

			task->decision = jo_run_ask_gates(batch, gates, task->run,
											  task->channel,
											  compositions[i].channel,
											  compositions[i].address);
			if (task->decision->answer == JO_GATE_WITHHOLD)
			{
				task->composed = JO_COMPOSED_WITHHELD;
				continue;
			}
			if (task->decision->answer == JO_GATE_DEFER)
				task->composed = JO_COMPOSED_DEFERRED;
			compositions[kept++] = compositions[i];
		}
	}
	jo_gates_end(gates);
	return kept;
}

/*
 * Compose the message of each task, leaving task->payload and task->composed.
 * errors[i] is set for the tasks whose message cannot be composed.
 */
void
jo_compose(JoBatch *batch, JoTask **tasks, int n, JoError **errors)
{
	Composition *compositions = palloc0(n * sizeof(Composition));
	int			count = 0;
	int			end;

	for (int i = 0; i < n; i++)
	{
		Composition *composition = &compositions[count];

		composition->task = tasks[i];
		composition->ordinal = i;
		errors[i] = resolve(composition);
		if (errors[i] == NULL)
			count++;
	}

	qsort(compositions, count, sizeof(Composition), compare_by_channel);
	for (int start = 0; start < count; start = end)
	{
		for (end = start + 1; end < count; end++)
			if (compositions[end].channel != compositions[start].channel)
				break;
		address_group(batch, compositions + start, end - start, errors);
	}
	count = keep_addressed(compositions, count, errors);
	count = keep_allowed(batch, compositions, count);

	qsort(compositions, count, sizeof(Composition), compare_by_template);
	for (int start = 0; start < count; start = end)
	{
		for (end = start + 1; end < count; end++)
			if (compositions[end].template != compositions[start].template)
				break;
		render_group(batch, compositions + start, end - start, errors);
	}
}
