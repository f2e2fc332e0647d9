/*
 * content/content.h
 *	  Message templates: found by name, channel and locale; rendered for many
 *	  runs at once.
 */
#ifndef JO_CONTENT_H
#define JO_CONTENT_H

#include "core/expression.h"
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

/* Variables that any hole of the template reads (JO_USES_*). */
extern int	jo_template_uses(const JoTemplate *template);

extern void jo_content_init(void);

#endif							/* JO_CONTENT_H */
