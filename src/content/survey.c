/*
 * content/survey.c
 *	  What can be told of a template without rendering it.
 *
 * For whoever checks a journey before anybody gets its messages: which members
 * of the context the holes name, and whether a marketing message would let
 * people out.  A part counts by itself, since a mail program shows either the
 * text or the HTML: each must have what is asked for.  Whether a hole that names
 * the link also shows it, in a CASE for instance, nobody can tell in advance.
 */
#include "postgres.h"

#include "content/template.h"

/* The word that ends messages wherever people answer them. */
#define STOP_WORD "STOP"

const char *
jo_template_locale(const JoTemplate *template)
{
	return template->locale;
}

const JoError *
jo_template_error(const JoTemplate *template)
{
	return template->error;
}

int
jo_template_uses(const JoTemplate *template)
{
	return template->uses;
}

uint32
jo_template_message_fields(const JoTemplate *template)
{
	return template->message_fields;
}

List *
jo_template_context_keys(const JoTemplate *template)
{
	List	   *keys = NIL;

	for (int i = 0; i < template->nholes; i++)
		keys = list_concat(keys,
						   jo_expression_context_keys(template->holes[i].expression));
	return keys;
}

static bool
is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c & 0x80) != 0;
}

/* Does the text have the word STOP in capitals, by itself? */
static bool
has_stop(const char *text)
{
	for (const char *found = strstr(text, STOP_WORD); found != NULL;
		 found = strstr(found + 1, STOP_WORD))
		if ((found == text ||!is_letter(found[-1])) &&
			!is_letter(found[strlen(STOP_WORD)]))
			return true;
	return false;
}

/* The same of a part, in its own text or in that of a hole. */
static bool
part_has_stop(const JoTemplate *template, const JoPart *part)
{
	for (int i = 0; i < part->nslots; i++)
	{
		const JoSlot *slot = &part->slots[i];

		if (has_stop(slot->hole < 0 ? pnstrdup(slot->literal, slot->length) :
					 template->holes[slot->hole].sql))
			return true;
	}
	return false;
}

static int
part_lacks(const JoTemplate *template, const JoPart *part, JoOptOut form)
{
	int			lacks = 0;

	if (form == JO_OPT_OUT_LINK &&
		(part->message_fields & JO_MESSAGE_POSTAL_ADDRESS) == 0)
		lacks |= JO_LACKS_ADDRESS;
	if ((part->message_fields & JO_MESSAGE_UNSUBSCRIBE_URL) == 0 &&
		(form == JO_OPT_OUT_LINK || !part_has_stop(template, part)))
		lacks |= JO_LACKS_WAY_OUT;
	return lacks;
}

int
jo_template_lacks(const JoTemplate *template, JoOptOut form)
{
	int			lacks;

	if (form == JO_OPT_OUT_NONE || template->error != NULL)
		return 0;
	lacks = part_lacks(template, template->body, form);
	if (template->html != NULL)
		lacks |= part_lacks(template, template->html, form);
	return lacks;
}
