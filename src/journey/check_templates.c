/*
 * journey/check_templates.c
 *	  Do the templates that a definition sends fit it?
 *
 * Looked at for every template, channel and topic that a send step puts
 * together, in all locales: that the default locale is there, that every hole
 * compiles, that no hole names a member of the context that nobody sets, and
 * that a marketing message says who sends it and how to stop it.
 *
 * A template may change after the check.  The last of these is therefore looked
 * at again when a template is declared that a live journey sends
 * (template_use.c), and when a message is composed.
 */
#include "postgres.h"

#include "content/content.h"
#include "journey/reader.h"
#include "outbox/outbox.h"

/* Is the value that the step puts into the context found under a name? */
static bool
has_output(const JoStep *step)
{
	switch (step->verb)
	{
		case JO_SEND:
		case JO_CALL:
		case JO_ENTER:
		case JO_DIGEST:
		case JO_APPROVE:
		case JO_DECIDE:
			return true;
		case JO_DELAY:
		case JO_WAIT:
		case JO_BRANCH:
		case JO_SPLIT:
		case JO_UPDATE:
		case JO_EMIT:
		case JO_EXIT:
			return false;
	}
	return false;
}

/* Does a step of the journey set this member of the context? */
static bool
is_set(const JoReader *reader, const char *key)
{
	for (int i = 0; i < reader->nsteps; i++)
	{
		const JoStep *step = &reader->graph->steps[i];

		if (has_output(step) && strcmp(step->into, key) == 0)
			return true;
		for (int j = 0; step->verb == JO_UPDATE &&
			 j < step->u.update.nassignments; j++)
			if (strcmp(step->u.update.assignments[j].name, key) == 0)
				return true;
	}
	return false;
}

/* "template "x" of channel "y"", with the locale when it is not the default. */
static char *
title_of(const JoNameUse *use, const JoTemplate *template)
{
	const char *locale = jo_template_locale(template);

	return psprintf("template \"%s\" of channel \"%s\"%s%s%s", use->name,
					use->channel, locale[0] != '\0' ? ", locale \"" : "",
					locale, locale[0] != '\0' ? "\"," : "");
}

/*
 * Members of the context that the holes name.  Runs that enter() or another
 * journey starts may bring any along, so only what starts by itself is judged.
 */
static void
check_variables(JoReader *reader, const JoNameUse *use,
				const JoTemplate *template)
{
	ListCell   *cell;

	if (reader->graph->entry.kind == JO_ENTRY_API ||
		reader->graph->entry.kind == JO_ENTRY_JOURNEY)
		return;
	foreach(cell, jo_template_context_keys(template))
	{
		const char *key = lfirst(cell);

		if (!is_set(reader, key))
			jo_finding_add(reader->findings, JO_FINDING_MISSING_VARIABLE,
						   use->path, NULL,
						   "%s names \"%s\" of context, which no step sets",
						   title_of(use, template), key);
	}
}

/* What the law wants of a marketing message. */
static void
check_commercial(JoReader *reader, const JoNameUse *use, JoOptOut form,
				 const JoTemplate *template)
{
	JoMessageSource source = {
		.fields = JO_MESSAGE_UNSUBSCRIBE_URL,
		.channel = use->channel,
		.customer_id = "",
		.topic = use->topic,
		.is_preview = true
	};
	JoMessageFacts facts;
	int			lacks;

	jo_message_describe(&source, &facts);
	if (facts.class != JO_CLASS_MARKETING)
		return;
	lacks = jo_template_lacks(template, form);
	if (lacks & JO_LACKS_ADDRESS)
		jo_finding_add(reader->findings, JO_FINDING_NO_POSTAL_ADDRESS,
					   use->path, NULL,
					   "%s is for marketing, and not every part of it shows the postal address",
					   title_of(use, template));
	if (lacks & JO_LACKS_WAY_OUT)
		jo_finding_add(reader->findings, JO_FINDING_NO_UNSUBSCRIBE,
					   use->path,
					   form == JO_OPT_OUT_LINK ? NULL :
					   "Say in the body that an answer of STOP ends these messages, or show {{ message.unsubscribe_url }}.",
					   "%s is for marketing, and not every part of it says how to stop it",
					   title_of(use, template));
	if (lacks == 0 && jo_message_lacks(&facts, template, form) != 0)
		jo_finding_add(reader->findings, JO_FINDING_NO_SENDER, use->path, NULL,
					   "the sender of marketing messages about topic \"%s\" has no postal address or no base URL",
					   use->topic);
}

static void
check_template(JoReader *reader, const JoNameUse *use, JoOptOut form,
			   const JoTemplate *template)
{
	const JoError *error = jo_template_error(template);

	if (error != NULL)
	{
		jo_finding_add(reader->findings, JO_FINDING_BROKEN_TEMPLATE, use->path,
					   error->hint, "%s does not compile any more: %s",
					   title_of(use, template), error->message);
		return;
	}
	check_variables(reader, use, template);
	check_commercial(reader, use, form, template);
}

/* One template in one channel; what does not exist is check_names()'s. */
static void
check_use(JoReader *reader, const JoNameUse *use)
{
	List	   *family = jo_template_family(use->name, use->channel);
	const JoChannel *channel = jo_channel_find(use->channel);
	bool		has_default = false;
	ListCell   *cell;

	if (family == NIL || channel == NULL)
		return;
	foreach(cell, family)
	{
		const JoTemplate *template = lfirst(cell);

		has_default |= jo_template_locale(template)[0] == '\0';
		check_template(reader, use, channel->opt_out, template);
	}
	if (!has_default)
		jo_finding_add(reader->findings, JO_FINDING_NO_DEFAULT_LOCALE,
					   use->path, NULL,
					   "template \"%s\" of channel \"%s\" has no default locale",
					   use->name, use->channel);
}

void
jo_check_templates(JoReader *reader)
{
	ListCell   *cell;

	jo_channel_cache_begin();
	jo_template_cache_begin();
	foreach(cell, reader->name_uses)
	{
		const JoNameUse *use = lfirst(cell);

		if (use->kind == JO_NAME_TEMPLATE)
			check_use(reader, use);
	}
	jo_template_cache_end();
	jo_channel_cache_end();
}
