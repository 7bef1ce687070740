"""Which rule of the wire, and which defect that other servers have shown, is held by which test.

`test_defects.py` keeps this table honest both ways: every test that is named exists, and every test of
`tests/wire` holds a line.
"""

from dataclasses import dataclass

SERVER = "tests/server/"


@dataclass(frozen=True, slots=True)
class Line:
    """A rule that we keep, or a defect of others that we do not have.

    Attributes:
        kind: `rule`, `defect` (of another server), `client` (what the official client makes of a stream),
            `conversation` or `check` (the proof that a check of ours can fail).
        tests: `module::test`; a module without a folder is one of `tests/wire`.
    """

    kind: str
    says: str
    tests: tuple[str, ...]


TABLE = (
    # What is promised of errors.
    Line(
        "rule",
        "every failure is {error: {message, type, param, code}}, FastAPI's own 404, 405 and 422 included",
        (
            "test_errors::test_every_response_of_any_kind_has_a_request_id_of_its_own",
            "test_http_document::test_every_refusal_fits_the_document_and_no_address_forgets_its_guard",
            f"{SERVER}test_wire::test_wrong_values_are_400_and_name_their_field",
            f"{SERVER}test_wire::test_unknown_addresses_and_methods_have_the_errors_shape",
            f"{SERVER}test_wire::test_any_request_is_either_understood_or_refused_in_the_errors_shape",
        ),
    ),
    Line(
        "rule",
        "unknown model 404, bad key 401, missing right 403, too long 400, over quota 429, engine away 503",
        (
            "test_errors::test_each_failure_is_the_exception_that_the_client_knows",
            f"{SERVER}test_limits::test_the_sdk_sees_a_rate_limit_with_its_wait_and_headers",
        ),
    ),
    Line(
        "rule",
        "every response carries an x-request-id of its own",
        ("test_errors::test_every_response_of_any_kind_has_a_request_id_of_its_own",),
    ),
    Line(
        "rule",
        "the client's own second try helps where it can, and is told where it cannot",
        ("test_errors::test_the_client_tries_again_where_that_helps_and_not_where_it_cannot",),
    ),
    # What is promised of fine-tuning jobs.
    Line(
        "rule",
        "a fine-tuning job goes from files to a model whose name answers, with OpenAI's shapes all along",
        (
            "test_fine_tuning::test_a_job_goes_from_files_to_a_model_whose_name_answers",
            "test_fine_tuning::test_the_base_itself_is_tuned_under_the_name_of_the_suffix",
            "test_fine_tuning::test_jobs_are_listed_by_page_and_label_and_are_their_owners_alone",
            "test_fine_tuning::test_one_job_is_trained_at_a_time_and_can_be_paused_resumed_and_cancelled",
            "test_fine_tuning::test_hyperparameters_may_be_null_wherever_they_stand",
            "test_fine_tuning::test_an_engine_that_is_not_drained_answers_on_and_the_page_says_how_the_times_were_taken",
            "test_fine_tuning::test_a_trainer_that_is_killed_goes_on_from_its_checkpoint",
        ),
    ),
    Line(
        "rule",
        "what cannot be trained or served is refused by name, or fails before any training and says why",
        (
            "test_fine_tuning::test_what_cannot_be_learnt_fails_before_any_training_and_says_why",
            "test_fine_tuning::test_an_example_may_not_stand_in_both_files",
            "test_fine_tuning::test_what_is_not_offered_is_refused_by_name",
            "test_fine_tuning::test_a_job_needs_a_known_model_a_file_for_fine_tuning_and_the_scope",
        ),
    ),
    # What is promised of files and vector stores.
    Line(
        "rule",
        "files, vector stores, batches and searches have OpenAI's shapes; what is refused names its field",
        (
            "test_uploads::test_a_file_is_kept_listed_read_and_deleted",
            "test_uploads::test_what_cannot_be_a_file_is_refused_by_field_and_leaves_nothing",
            "test_uploads::test_a_store_is_filled_searched_changed_and_deleted",
            "test_uploads::test_files_of_a_store_are_listed_read_and_taken_out",
            "test_uploads::test_filters_and_attributes_are_openais",
            "test_uploads::test_batches_and_sizes_are_openais",
            "test_uploads::test_a_hostile_file_fails_alone_and_its_status_says_why",
        ),
    ),
    Line(
        "rule",
        "a file for fine-tuning is kept if it can be trained on, and otherwise refused with its line",
        (
            "test_uploads::test_a_sound_file_for_fine_tuning_is_kept",
            "test_uploads::test_a_file_that_no_training_takes_is_refused_with_its_line_and_leaves_nothing",
        ),
    ),
    Line(
        "rule",
        "another's file or store is 404; what is shared is read and not changed",
        (
            "test_uploads::test_anothers_file_and_store_look_as_if_there_were_none",
            "test_uploads::test_a_shared_store_is_read_and_not_changed",
            "test_uploads::test_a_persona_gives_passages_of_a_store_to_those_who_may_read_it",
        ),
    ),
    # What is promised of streams.
    Line(
        "rule",
        "role, content, reason; with include_usage null until one frame without choices; then [DONE]",
        ("test_streams::test_every_kind_of_stream_keeps_the_recorded_order",),
    ),
    Line(
        "rule",
        "silence is bridged by comments; a failure after the first byte is one error frame",
        (
            f"{SERVER}test_sse::test_long_silence_is_bridged_by_comments",
            "test_streams::test_the_official_client_reads_through_the_comments_that_bridge_silence",
            f"{SERVER}test_breakage::test_an_engine_that_breaks_off_gives_exactly_one_error_frame",
            f"{SERVER}test_breakage::test_the_sdk_raises_when_the_engine_breaks_off",
        ),
    ),
    Line(
        "rule",
        "what is ours rides under one key in valid objects, and only when asked for",
        (
            "test_streams::test_what_is_ours_rides_in_valid_frames_and_only_when_asked_for",
            f"{SERVER}test_chat::test_nothing_but_openais_fields_reaches_a_client_that_asks_for_nothing_more",
        ),
    ),
    Line(
        "rule",
        "citations are url_citation annotations that resolve to the very passage",
        (
            f"{SERVER}test_knowledge::test_markers_become_citations_that_resolve_to_the_very_passage",
            f"{SERVER}test_knowledge::test_a_streamed_answer_carries_the_same_text_and_citations",
        ),
    ),
    # What is promised of parameters.
    Line(
        "rule",
        "usage counts all inner calls",
        ("test_errors::test_usage_is_the_sum_of_all_calls_in_openais_words_streamed_or_not",),
    ),
    Line(
        "rule",
        "response_format, logprobs, seed, stop, n and tools pass unharmed",
        (
            "test_parameters::test_what_works_reaches_the_engine_unharmed",
            "test_parameters::test_tool_choice_shows_the_model_what_it_may_call",
            "test_parameters::test_the_sdks_parse_gives_an_object_and_sends_its_schema",
            "test_parameters::test_a_schema_leaves_the_answer_alone_where_markers_would_be_data",
            "test_parameters::test_the_newer_name_of_the_length_works_and_the_personas_limit_caps_both",
            "test_streams::test_the_sdks_stream_helper_puts_tool_calls_together",
        ),
    ),
    Line(
        "rule",
        "each parameter works, has no effect and says so, or is refused by its name",
        (
            "test_parameters::test_every_parameter_of_the_official_client_is_accounted_for",
            "test_parameters::test_what_has_no_effect_changes_no_byte_of_what_the_engine_is_asked",
            "test_parameters::test_what_is_not_served_is_refused_by_its_name_and_in_words",
            "test_parameters::test_what_cannot_be_meant_is_refused_by_the_field_at_fault",
            "test_parameters::test_messages_that_cannot_be_read_are_refused_in_words",
            "test_parameters::test_image_parts_are_refused_in_words_to_the_official_client",
        ),
    ),
    Line(
        "rule",
        "of vLLM's parameters only the allow-list passes, and nothing shows prompts, passages or other callers",
        (
            "test_parameters::test_vllms_own_parameters_are_on_the_allow_list_or_refused_by_name",
            "test_parameters::test_the_engine_is_never_asked_for_more_than_the_request_says",
            "test_parameters::test_parameters_of_vllms_hidden_in_messages_and_tools_go_no_further",
            "test_parameters::test_embeddings_take_openais_parameters_and_refuse_vllms",
            "test_streams::test_logprobs_belong_to_what_is_sent_and_never_to_the_servers_own_steps",
        ),
    ),
    Line(
        "rule",
        "prompts with passages carry a salt of their access group",
        (f"{SERVER}test_knowledge::test_prompts_of_personas_with_knowledge_carry_a_cache_salt_and_others_none",),
    ),
    Line(
        "rule",
        "where JSON is asked for, the server's own words are a refusal, which parse understands",
        ("test_parameters::test_an_answer_of_the_servers_own_is_a_refusal_where_json_is_asked_for",),
    ),
    Line(
        "rule",
        "models are the personas, and tell nothing of the server",
        ("test_errors::test_the_model_list_tells_nothing_of_the_servers_paths_or_base",),
    ),
    Line(
        "rule",
        "embeddings come as floats and as the base64 that the client asks for by itself",
        (f"{SERVER}test_wire::test_embeddings_are_the_same_as_floats_and_as_base64",),
    ),
    # What others got wrong.
    Line(
        "defect",
        "AnythingLLM: chunks called chat.completion, reasons of its own, 401 without body for a model",
        (
            "test_streams::test_every_kind_of_stream_keeps_the_recorded_order",
            "test_streams::test_strict_validation_takes_every_kind_of_whole_answer",
            "test_errors::test_each_failure_is_the_exception_that_the_client_knows",
        ),
    ),
    Line(
        "defect",
        "AnythingLLM: several system messages become the first; tools are ignored",
        (
            "test_conversations::test_every_system_and_developer_message_comes_after_the_instructions_in_one_fence",
            "test_conversations::test_a_clients_tool_beside_the_servers_actions_goes_back_and_its_result_comes_in",
        ),
    ),
    Line(
        "defect",
        "RAGFlow: failures answer 200, created is null, one base URL for each assistant",
        (
            "test_errors::test_each_failure_is_the_exception_that_the_client_knows",
            "test_errors::test_one_base_url_serves_every_persona_by_its_model_name",
        ),
    ),
    Line(
        "defect",
        "Open WebUI: unknown model is 400 {detail}; models without object; usage of the last inner call only",
        (
            "test_errors::test_one_base_url_serves_every_persona_by_its_model_name",
            "test_errors::test_usage_is_the_sum_of_all_calls_in_openais_words_streamed_or_not",
        ),
    ),
    Line(
        "defect",
        "Dify: keep-alive is an event without data; agents only stream; an envelope of its own",
        (
            f"{SERVER}test_sse::test_long_silence_is_bridged_by_comments",
            "test_streams::test_strict_validation_takes_every_kind_of_whole_answer",
        ),
    ),
    Line(
        "defect",
        "OGX: a document that claims conformance which its own answers do not have",
        (
            "test_http_document::test_every_answer_fits_the_document",
            "test_http_document::test_every_frame_of_a_stream_fits_the_document",
            "test_fuzz::test_whatever_the_document_allows_is_answered_as_it_says",
        ),
    ),
    Line(
        "defect",
        "Hayhooks: files without bytes; 501 for a missing method; no keys",
        (
            f"{SERVER}test_knowledge::test_markers_become_citations_that_resolve_to_the_very_passage",
            f"{SERVER}test_wire::test_unknown_addresses_and_methods_have_the_errors_shape",
            "test_http_document::test_every_refusal_fits_the_document_and_no_address_forgets_its_guard",
        ),
    ),
    # What the official client and the AI SDK choke on; each is one of the broken streams of that test.
    Line(
        "client",
        "bare vendor objects, named events, events without data, an error key, foreign reasons: never ours",
        (
            "test_streams::test_the_grammar_notices_what_breaks_clients",
            "test_streams::test_every_kind_of_stream_keeps_the_recorded_order",
        ),
    ),
    # Whose words, whose conversation.
    Line(
        "conversation",
        "no text from outside passes for the server's",
        (
            "test_conversations::test_no_text_from_outside_passes_for_a_part_that_the_server_writes",
            "test_conversations::test_marks_in_a_call_s_arguments_are_broken_however_they_are_written",
        ),
    ),
    Line(
        "conversation",
        "action names are reserved, their results never the client's, several answers refused with actions",
        ("test_conversations::test_actions_are_the_servers_alone_however_they_are_called",),
    ),
    Line(
        "conversation",
        "an approval is met over two requests, once, however the talk goes on meanwhile",
        (
            f"{SERVER}test_actions::test_a_consequential_action_waits_and_then_is_carried_out_once",
            f"{SERVER}test_actions::test_a_request_repeated_without_change_finds_the_decision",
            "test_conversations::test_an_answer_to_something_else_reminds_of_the_call_that_waits",
            "test_conversations::test_citations_stand_at_their_places_behind_a_reminder",
            "test_conversations::test_a_decision_made_while_something_else_was_answered_is_not_lost",
            "test_conversations::test_a_call_asked_for_again_after_it_was_approved_is_made_and_not_filed_anew",
            "test_conversations::test_two_calls_that_wait_are_both_named_and_both_carried_out",
        ),
    ),
    Line(
        "conversation",
        "nobody meets another's call, by chance or by naming it",
        (
            "test_conversations::test_who_merely_begins_with_the_same_words_never_meets_anothers_call",
            "test_conversations::test_naming_anothers_approval_or_claiming_one_brings_nothing",
            "test_conversations::test_a_key_that_a_persona_does_not_name_neither_sees_nor_decides_its_calls",
        ),
    ),
    Line(
        "conversation",
        "no text from outside opens a turn, a call or a result, whatever family of templates its marks belong to",
        (
            "test_conversations::test_the_marks_of_every_family_of_templates_are_broken",
            "test_conversations::test_a_call_and_its_result_cannot_be_forged_in_text",
            "test_conversations::test_no_line_end_hides_a_heading_of_the_server",
            "test_conversations::test_what_only_looks_like_a_mark_is_left_alone",
        ),
    ),
    Line(
        "conversation",
        "an answer in words ends as its persona wants, however it is asked for; nothing else does",
        (
            "test_streams::test_every_answer_ends_as_its_persona_wants_streamed_or_not",
            "test_streams::test_what_is_no_answer_in_words_has_no_ending",
        ),
    ),
    Line(
        "conversation",
        "a client gets calls of the tools that it offered, and of no others",
        (
            "test_conversations::test_a_tool_that_nobody_offered_is_refused_to_the_model_and_not_sent_to_the_client",
        ),
    ),
    Line(
        "conversation",
        "a conversation keeps its id from turn to turn",
        ("test_conversations::test_a_conversation_keeps_its_id_and_is_one_principals_with_one_persona",),
    ),
    # The document.
    Line(
        "rule",
        "routes, document and reference are one",
        (
            "test_http_document::test_the_document_is_valid_and_knows_every_route_and_no_other",
            "test_http_document::test_the_http_reference_has_every_address_and_no_other",
            "test_http_document::test_the_http_reference_names_every_parameter_scope_and_code_that_it_should",
            "test_http_document::test_where_keys_are_needed_the_document_needs_one_too",
        ),
    ),
    Line(
        "check",
        "the checks above can fail",
        (
            "test_streams::test_the_grammar_notices_what_breaks_clients",
            "test_streams::test_the_strict_client_would_notice_a_foreign_reason",
            "test_http_document::test_the_misfit_finder_notices_a_key_too_many_and_one_too_few",
            "test_defects::test_the_table_notices_a_test_that_does_not_exist",
        ),
    ),
    Line(
        "check",
        "this table is whole",
        (
            "test_defects::test_every_line_names_tests_that_exist",
            "test_defects::test_every_test_of_the_wire_holds_a_line",
        ),
    ),
)
