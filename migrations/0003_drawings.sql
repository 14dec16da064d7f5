-- Reason: a picture's settings are one message, `settings`, and a job lists each of its pictures as it is drawn, so that
-- the pictures of one job may differ in more than their seeds.

UPDATE jobs SET spec = json_object(
    'type', 'imagine',
    'prompt_written', json_extract(spec, '$.prompt_written'),
    'negative_prompt', json_extract(spec, '$.negative_prompt'),
    'adapters', json_extract(spec, '$.adapters'),
    'seed', json_extract(spec, '$.seed'),
    'count', json_extract(spec, '$.count'),
    'strict', json(CASE json_extract(spec, '$.strict') WHEN 1 THEN 'true' ELSE 'false' END),
    'settings', json_object(
        'num_inference_steps', json_extract(spec, '$.num_inference_steps'),
        'guidance_scale', json_extract(spec, '$.guidance_scale'),
        'width', json_extract(spec, '$.width'),
        'height', json_extract(spec, '$.height')
    ),
    'drawings', (
        WITH RECURSIVE places (place) AS (
            SELECT 0 UNION ALL SELECT place + 1 FROM places WHERE place + 1 < json_extract(spec, '$.count')
        )
        SELECT json_group_array(json_object(
            'prompt', json_extract(spec, '$.prompt'),
            'prompt_written', json_extract(spec, '$.prompt_written'),
            'negative_prompt', json_extract(spec, '$.negative_prompt'),
            'seed', json_extract(spec, '$.seed') + place,
            'adapters', (
                SELECT json_group_array(json_object(
                    'name', json_extract(value, '$.written'),
                    'blob', json_extract(value, '$.blob'),
                    'weight', json_extract(value, '$.weight'),
                    'kind', coalesce(json_extract(value, '$.kind'), 'lora'),
                    'trigger', coalesce(json_extract(value, '$.trigger'), '')
                )) FROM json_each(spec, '$.adapters')
            ),
            'settings', json_object(
                'num_inference_steps', json_extract(spec, '$.num_inference_steps'),
                'guidance_scale', json_extract(spec, '$.guidance_scale'),
                'width', json_extract(spec, '$.width'),
                'height', json_extract(spec, '$.height')
            )
        )) FROM places
    )
) WHERE lane = 'imagine' AND json_type(spec, '$.drawings') IS NULL;
