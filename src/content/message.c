/*
 * content/message.c
 *	  What a message says about itself: variable "message" of templates, and the
 *	  headers that the engine adds.
 *
 * Everything here follows from the message's channel, topic and customer, the
 * senders, and the batch's clock, so a batch that is done again composes the
 * same message.  Links carry a token of room permission that names no address.
 * It is good for JO_TOKEN_DAYS, longer than any law asks for (CASL: 60 days),
 * counted in whole days of the clock, so that the messages of one day about one
 * topic to one customer carry one link.
 *
 * A preview and a test message carry links without power: who looks at what a
 * customer would get must not be able to unsubscribe him by a click.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "content/content.h"
#include "content/sender.h"
#include "core/leaf.h"
#include "permission/token.h"

/* What stands in a link in place of a token. */
#define NO_TOKEN "preview"

/* Attributes of type message_variable, in order. */
enum
{
	MESSAGE_CHANNEL,
	MESSAGE_TOPIC,
	MESSAGE_CLASS,
	MESSAGE_SENDER,
	MESSAGE_POSTAL_ADDRESS,
	MESSAGE_UNSUBSCRIBE_URL,
	MESSAGE_PREFERENCES_URL,
	MESSAGE_ATTRIBUTES
};

StaticAssertDecl(JO_MESSAGE_POSTAL_ADDRESS == 1 << MESSAGE_POSTAL_ADDRESS &&
				 JO_MESSAGE_UNSUBSCRIBE_URL == 1 << MESSAGE_UNSUBSCRIBE_URL &&
				 JO_MESSAGE_PREFERENCES_URL == 1 << MESSAGE_PREFERENCES_URL,
				 "bits of the attributes of message_variable");

/* A link to one of the sender's pages; NULL when he has none, or nobody wants
 * it. */
static char *
make_link(const JoSender *sender, const JoMessageSource *source, uint32 field,
		  const char *page, JoTokenPurpose purpose)
{
	char	   *token = NO_TOKEN;

	if (sender == NULL || sender->base_url == NULL ||
		(source->fields & field) == 0)
		return NULL;
	if (!source->is_preview)
	{
		TimestampTz today = source->now - source->now % USECS_PER_DAY;

		token = jo_token_make(purpose, source->customer_id, source->channel,
							  source->topic,
							  today + (int64) JO_TOKEN_DAYS * USECS_PER_DAY);
	}
	return psprintf("%s/%s/%s", sender->base_url, page, token);
}

void
jo_message_describe(const JoMessageSource *source, JoMessageFacts *facts)
{
	const JoSender *sender;

	jo_sender_cache_begin();
	sender = jo_sender_find(source->topic);
	memset(facts, 0, sizeof(*facts));
	facts->channel = source->channel;
	facts->topic = source->topic;
	facts->class = jo_topic_class(source->topic);
	if (sender != NULL)
	{
		facts->sender = pstrdup(sender->name);
		if (sender->postal_address != NULL)
			facts->postal_address = pstrdup(sender->postal_address);
	}
	facts->unsubscribe_url = make_link(sender, source,
									   JO_MESSAGE_UNSUBSCRIBE_URL,
									   "unsubscribe", JO_TOKEN_UNSUBSCRIBE);
	facts->preferences_url = make_link(sender, source,
									   JO_MESSAGE_PREFERENCES_URL,
									   "preferences", JO_TOKEN_PREFERENCES);
	jo_sender_cache_end();
}

static void
set_text(Datum *values, bool *isnull, int attribute, const char *value)
{
	isnull[attribute] = value == NULL;
	values[attribute] = value == NULL ? (Datum) 0 : CStringGetTextDatum(value);
}

Datum
jo_message_variable(const JoMessageFacts *facts)
{
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum("message_variable"),
									   ObjectIdGetDatum(jo_schema_oid()));
	TupleDesc	descriptor = lookup_rowtype_tupdesc(type, -1);
	Datum		values[MESSAGE_ATTRIBUTES];
	bool		isnull[MESSAGE_ATTRIBUTES];
	HeapTuple	tuple;

	Assert(descriptor->natts == MESSAGE_ATTRIBUTES);
	set_text(values, isnull, MESSAGE_CHANNEL, facts->channel);
	set_text(values, isnull, MESSAGE_TOPIC, facts->topic);
	set_text(values, isnull, MESSAGE_CLASS, jo_topic_class_name(facts->class));
	set_text(values, isnull, MESSAGE_SENDER, facts->sender);
	set_text(values, isnull, MESSAGE_POSTAL_ADDRESS, facts->postal_address);
	set_text(values, isnull, MESSAGE_UNSUBSCRIBE_URL, facts->unsubscribe_url);
	set_text(values, isnull, MESSAGE_PREFERENCES_URL, facts->preferences_url);
	tuple = heap_form_tuple(descriptor, values, isnull);
	ReleaseTupleDesc(descriptor);
	return HeapTupleGetDatum(tuple);
}

int
jo_message_lacks(const JoMessageFacts *facts, const JoTemplate *template,
				 JoOptOut form)
{
	int			lacks;

	if (facts->class != JO_CLASS_MARKETING || form == JO_OPT_OUT_NONE)
		return 0;
	lacks = jo_template_lacks(template, form);
	if (form == JO_OPT_OUT_LINK && facts->postal_address == NULL)
		lacks |= JO_LACKS_ADDRESS;
	if (facts->unsubscribe_url == NULL &&
		(form == JO_OPT_OUT_LINK ||
		 (jo_template_message_fields(template) & JO_MESSAGE_UNSUBSCRIBE_URL)))
		lacks |= JO_LACKS_WAY_OUT;
	return lacks;
}

/* ---- headers ---- */

static void
push_string(JsonbParseState **state, JsonbIteratorToken token,
			const char *string)
{
	JsonbValue	item;

	item.type = jbvString;
	item.val.string.val = unconstify(char *, string);
	item.val.string.len = strlen(string);
	pushJsonbValue(state, token, &item);
}

/* Is it a header that RFC 2369 and 8058 tell mail programs to act on? */
static bool
is_unsubscribe_header(const JsonbValue *name)
{
	static const char *const headers[] = {
		"list-unsubscribe", "list-unsubscribe-post"
	};

	for (int i = 0; i < lengthof(headers); i++)
		if (name->val.string.len == strlen(headers[i]) &&
			pg_strncasecmp(name->val.string.val, headers[i],
						   name->val.string.len) == 0)
			return true;
	return false;
}

Jsonb *
jo_message_add_headers(Jsonb *headers, const JoMessageFacts *facts)
{
	JsonbParseState *state = NULL;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	bool		is_kept = true;

	if (facts->class != JO_CLASS_MARKETING || facts->unsubscribe_url == NULL)
		return headers;
	iterator = JsonbIteratorInit(&headers->root);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			is_kept = !is_unsubscribe_header(&item);
		if (is_kept && (token == WJB_KEY || token == WJB_VALUE))
			pushJsonbValue(&state, token, &item);
	}
	push_string(&state, WJB_KEY, "List-Unsubscribe");
	push_string(&state, WJB_VALUE, psprintf("<%s>", facts->unsubscribe_url));
	push_string(&state, WJB_KEY, "List-Unsubscribe-Post");
	push_string(&state, WJB_VALUE, "List-Unsubscribe=One-Click");
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
