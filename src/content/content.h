/*
 * content/content.h
 *	  Message templates: found by name, channel and locale; rendered for many
 *	  runs at once.
 */
#ifndef JO_CONTENT_H
#define JO_CONTENT_H

#include "audience/audience.h"
#include "core/expression.h"
#include "permission/permission.h"
#include "utils/jsonb.h"

typedef struct JoTemplate JoTemplate;

/* Enter and leave a use of the template cache (core/cache.h). */
extern void jo_template_cache_begin(void);
extern void jo_template_cache_end(void);

/*
 * Setting journey_orch.require_review: nothing is published, and no template is
 * sent, that a second person has not approved.
 */
extern bool jo_require_review;

/* Raises 42501 when the session user is the author of "what". */
extern void jo_review_ensure_second(const char *author, const char *what);

/*
 * The current version for (name, channel), at "locale", else at the locale
 * shortened subtag by subtag to its language ("zh-Hant-TW", "zh-Hant", "zh"),
 * else at the default locale; NULL when there is none.  "locale" may be NULL.
 * Valid until jo_template_cache_end().  A template that no longer compiles is
 * found, and its rendering gives every run the error.  Under review it is the
 * newest that was approved; where none was, the newest.
 */
extern JoTemplate *jo_template_find(const char *name, const char *channel,
									const char *locale);

/* The same, approved or not. */
extern JoTemplate *jo_template_find_newest(const char *name,
										   const char *channel,
										   const char *locale);

/*
 * Every locale of a template in a channel, as jo_template_find() would find
 * it: list of JoTemplate *, valid until jo_template_cache_end().
 */
extern List *jo_template_family(const char *name, const char *channel);

/* '' is the default locale. */
extern const char *jo_template_locale(const JoTemplate *template);

/* Why it does not compile, or NULL. */
extern const JoError *jo_template_error(const JoTemplate *template);

/* Members of the context that its holes name (char *); the template's own. */
extern List *jo_template_context_keys(const JoTemplate *template);

/* One rendered message.  Strings in CurrentMemoryContext; NULL: no such part. */
typedef struct JoRendered
{
	char	   *subject;
	char	   *body;
	char	   *html;
	Jsonb	   *headers;		/* object of strings, rendered */
	JoError    *error;			/* not NULL: a hole raised; the rest is unset */
	const char *hole;			/* the expression that raised, or NULL; owned
								 * by the cache */
} JoRendered;

/* Render for n runs; an error concerns only its own run. */
extern void jo_template_render(JoTemplate *template, int n,
							   const JoVariables *const *rows, JoRendered *results);

/* How a marketing message of a channel must let people out. */
typedef enum JoOptOut
{
	JO_OPT_OUT_NONE,			/* the channel does it by other means */
	JO_OPT_OUT_LINK,			/* postal address, link, headers of RFC 8058:
								 * mail */
	JO_OPT_OUT_STOP				/* it says that STOP ends it, or has a link */
} JoOptOut;

/* What a marketing message of this template would lack, as a bit set. */
#define JO_LACKS_ADDRESS	(1 << 0)
#define JO_LACKS_WAY_OUT	(1 << 1)

extern int	jo_template_lacks(const JoTemplate *template, JoOptOut form);

/*
 * Asked by set_template() before it stores a template; raises to refuse it.  Set
 * by the room that knows who sends it; NULL: nobody is asked.
 */
typedef void (*JoTemplateGuard) (const char *name, const char *channel,
								 const JoTemplate *template);
extern JoTemplateGuard jo_template_guard;

/* Variables that any hole of the template reads (JO_USES_*). */
extern int	jo_template_uses(const JoTemplate *template);

/* Attributes of "message" that any hole reads (JO_MESSAGE_*, and others). */
extern uint32 jo_template_message_fields(const JoTemplate *template);

/* ---- message.c: what a message says about itself ---- */

/* Attributes of "message", as bits of jo_template_message_fields(). */
#define JO_MESSAGE_POSTAL_ADDRESS	(1 << 4)
#define JO_MESSAGE_UNSUBSCRIBE_URL	(1 << 5)
#define JO_MESSAGE_PREFERENCES_URL	(1 << 6)

/* One message that is to be composed. */
typedef struct JoMessageSource
{
	uint32		fields;			/* the links among these bits are made */
	const char *channel;
	const char *customer_id;
	const char *topic;			/* or NULL */
	TimestampTz now;			/* engine clock: links expire so long after */
	bool		is_preview;		/* its links have no power */
} JoMessageSource;

/* What "message" shows of it.  Any string but the channel may be NULL. */
typedef struct JoMessageFacts
{
	const char *channel;
	const char *topic;
	JoTopicClass class;
	char	   *sender;
	char	   *postal_address;
	char	   *unsubscribe_url;
	char	   *preferences_url;
} JoMessageFacts;

/* Strings in CurrentMemoryContext; channel and topic are the source's own. */
extern void jo_message_describe(const JoMessageSource *source,
								JoMessageFacts *facts);

/* The same as a journey_orch.message_variable, in CurrentMemoryContext. */
extern Datum jo_message_variable(const JoMessageFacts *facts);

/*
 * What this message would lack, because of its template or its sender; 0 when it
 * is not of class marketing.  The facts must have the links that exist.
 */
extern int	jo_message_lacks(const JoMessageFacts *facts,
							 const JoTemplate *template, JoOptOut form);

/*
 * "headers" with those of RFC 8058, in place of what the template says under
 * the same names, when the message is of class marketing and its sender has
 * pages; else "headers" itself.  Only for channels that carry mail.
 */
extern Jsonb *jo_message_add_headers(Jsonb *headers,
									 const JoMessageFacts *facts);

/* ---- preview.c: one customer's view, without a run ---- */

typedef struct JoPreview
{
	JoCustomer	customer;
	JoVariables variables;		/* of his messages; "message" is that of the
								 * last one rendered */
} JoPreview;

/* Read the customer; raises when there is none.  "event" and "context" are
 * objects. */
extern void jo_preview_begin(JoPreview *preview, const char *customer_id,
							 Datum event, Datum context);

/*
 * Render the newest version of a template for him, approved or not; "locale" NULL
 * is his own.  NULL when there is no such template; raises JO007 when a hole
 * does.  Between jo_template_cache_begin() and _end().
 */
extern JoTemplate *jo_preview_render(JoPreview *preview, const char *name,
									 const char *channel, const char *locale,
									 const char *topic, JoRendered *rendered);

extern void jo_content_init(void);

#endif							/* JO_CONTENT_H */
