/*
 * content/template.h
 *	  A template as it is compiled, inside the room.
 */
#ifndef JO_TEMPLATE_H
#define JO_TEMPLATE_H

#include "fmgr.h"
#include "utils/jsonb.h"

#include "content/content.h"
#include "content/escape.h"

/* One row of message_template. */
typedef struct JoTemplateRow
{
	char	   *name;
	char	   *channel;
	char	   *locale;			/* canonical; '' is the default */
	int32		version;
	char	   *subject;		/* or NULL */
	char	   *body;
	char	   *html;			/* or NULL */
	Jsonb	   *headers;
	Oid			owner;
	TimestampTz created_at;
	bool		is_approved;
	TimestampTz approved_at;	/* if is_approved */
} JoTemplateRow;

/* How a hole's value becomes text. */
typedef enum JoValueForm
{
	JO_VALUE_TEXT,				/* text, varchar: as is */
	JO_VALUE_BPCHAR,			/* without the padding */
	JO_VALUE_BOOL,				/* true, false */
	JO_VALUE_JSON,				/* scalars unquoted, null as NULL */
	JO_VALUE_JSONB,
	JO_VALUE_OUTPUT				/* the type's output function */
} JoValueForm;

/* A distinct expression of the template; several pieces may show it. */
typedef struct JoHole
{
	char	   *sql;
	JoExpression *expression;
	JoValueForm form;
	FmgrInfo	output;			/* of JO_VALUE_OUTPUT */
} JoHole;

/* A literal (hole < 0) or the place of a hole's value. */
typedef struct JoSlot
{
	char	   *literal;
	int			length;
	int			hole;			/* index into holes, or -1 */
	bool		is_raw;
} JoSlot;

typedef struct JoPart
{
	char	   *name;			/* of a header: its name */
	JoEscape	escape;
	uint32		message_fields; /* that its holes name */
	int			nslots;
	JoSlot	   *slots;
} JoPart;

struct JoTemplate
{
	int			nholes;
	JoHole	   *holes;
	JoPart	   *subject;		/* or NULL */
	JoPart	   *body;
	JoPart	   *html;			/* or NULL */
	int			nheaders;
	JoPart	   *headers;
	int			uses;			/* JO_USES_* of all holes */
	uint32		message_fields; /* attributes of "message" of all holes */
	Oid			owner;
	int32		version;
	char	   *locale;
	JoError    *error;			/* not NULL: it does not compile */
	char	   *error_hole;		/* hole of the error, or NULL */
};

/* Why a template does not compile. */
typedef struct JoTemplateFinding
{
	JoError    *error;			/* NULL: it does */
	char	   *part;			/* "body", "header X-Campaign", … */
	char	   *source;			/* text of the part */
	char	   *hole;			/* SQL of the hole, NULL: the holes' syntax */
	int			position;		/* character of the part, from 1; 0: none */
} JoTemplateFinding;

/*
 * Compile a template in CurrentMemoryContext.  NULL and "*finding" filled when
 * a part's holes are malformed or a hole's expression does not compile; the
 * first such one is told.
 */
extern JoTemplate *jo_template_compile(const JoTemplateRow *row,
									   JoTemplateFinding *finding);

/*
 * Canonical form of a locale ("fr_ca.UTF-8" is "fr-CA"), '' for NULL and '';
 * NULL when it is no locale.  In CurrentMemoryContext.
 */
extern char *jo_locale_canonical(const char *locale);

/*
 * The current version of every locale of a template in a channel, read with
 * the latest snapshot: list of JoTemplateRow in CurrentMemoryContext.  With
 * "approved" the newest approved one, where there is one, and no locale that
 * was added unapproved after another was approved.
 */
extern List *jo_template_read(const char *name, const char *channel,
							  bool approved);

/* review.c */
extern void jo_review_init(void);

#endif							/* JO_TEMPLATE_H */
