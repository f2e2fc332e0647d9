/*
 * outbox/claim_row.c
 *	  The row of claim()'s result.
 *
 * A payload is handed out twice: whole, as change-data-capture would see it,
 * and in the parts that every relay wants.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "outbox/claiming.h"

enum
{
	RESULT_CLAIM_ID,
	RESULT_MESSAGE_ID,
	RESULT_CUSTOMER_ID,
	RESULT_CHANNEL,
	RESULT_ADDRESS,
	RESULT_SUBJECT,
	RESULT_BODY,
	RESULT_HTML,
	RESULT_HEADERS,
	RESULT_PAYLOAD,
	RESULT_ATTEMPT,
	RESULT_EXPIRES_AT,
	RESULT_ENQUEUED_AT,
	RESULT_ENROLLMENT_ID,
	RESULT_JOURNEY,
	RESULT_STEP,
	RESULT_TOPIC,
	RESULT_TEMPLATE,
	RESULT_COLUMNS
};

/* A part of the payload: as text, or as it is. */
static Datum
payload_part(Jsonb *payload, const char *name, bool as_text, bool *isnull)
{
	JsonbValue	buffer;
	JsonbValue *part = getKeyJsonValueFromContainer(&payload->root, name,
													strlen(name), &buffer);

	*isnull = part == NULL || part->type == jbvNull;
	if (*isnull)
		return (Datum) 0;
	if (!as_text)
		return JsonbPGetDatum(JsonbValueToJsonb(part));
	if (part->type == jbvString)
		return PointerGetDatum(cstring_to_text_with_len(part->val.string.val,
														part->val.string.len));
	return CStringGetTextDatum(JsonbToCString(NULL, &JsonbValueToJsonb(part)->root, -1));
}

void
jo_claiming_return(JoClaiming *claiming, TupleTableSlot *slot)
{
	static const int8 from_outbox[RESULT_COLUMNS] = {
		[RESULT_MESSAGE_ID] = OUTBOX_ID + 1,
		[RESULT_CUSTOMER_ID] = OUTBOX_CUSTOMER_ID + 1,
		[RESULT_CHANNEL] = OUTBOX_CHANNEL + 1,
		[RESULT_PAYLOAD] = OUTBOX_PAYLOAD + 1,
		[RESULT_ATTEMPT] = OUTBOX_ATTEMPT + 1,
		[RESULT_EXPIRES_AT] = OUTBOX_EXPIRES_AT + 1,
		[RESULT_ENQUEUED_AT] = OUTBOX_ENQUEUED_AT + 1,
		[RESULT_ENROLLMENT_ID] = OUTBOX_ENROLLMENT_ID + 1,
		[RESULT_STEP] = OUTBOX_STEP + 1,
		[RESULT_TOPIC] = OUTBOX_TOPIC + 1,
		[RESULT_TEMPLATE] = OUTBOX_TEMPLATE + 1,
	};
	MemoryContext caller = MemoryContextSwitchTo(claiming->row_context);
	Jsonb	   *payload = DatumGetJsonbP(slot->tts_values[OUTBOX_PAYLOAD]);
	Datum		values[RESULT_COLUMNS];
	bool		isnull[RESULT_COLUMNS];
	const char *journey;

	for (int i = 0; i < RESULT_COLUMNS; i++)
	{
		if (from_outbox[i] == 0)
			continue;
		values[i] = slot->tts_values[from_outbox[i] - 1];
		isnull[i] = slot->tts_isnull[from_outbox[i] - 1];
	}
	values[RESULT_CLAIM_ID] = Int64GetDatum(claiming->claim.claim_id);
	isnull[RESULT_CLAIM_ID] = false;
	values[RESULT_ADDRESS] = payload_part(payload, "address", true,
										  &isnull[RESULT_ADDRESS]);
	values[RESULT_SUBJECT] = payload_part(payload, "subject", true,
										  &isnull[RESULT_SUBJECT]);
	values[RESULT_BODY] = payload_part(payload, "body", true,
									   &isnull[RESULT_BODY]);
	values[RESULT_HTML] = payload_part(payload, "html", true,
									   &isnull[RESULT_HTML]);
	values[RESULT_HEADERS] = payload_part(payload, "headers", false,
										  &isnull[RESULT_HEADERS]);
	journey = jo_journey_name(DatumGetInt32(slot->tts_values[OUTBOX_JOURNEY_ID]));
	isnull[RESULT_JOURNEY] = journey == NULL;
	values[RESULT_JOURNEY] = journey == NULL ? (Datum) 0 :
		CStringGetTextDatum(journey);

	tuplestore_putvalues(claiming->result->setResult,
						 claiming->result->setDesc, values, isnull);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(claiming->row_context);
}
