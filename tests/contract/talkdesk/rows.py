"""A model per report, written from Talkdesk contract 6: name, type and order of columns, what may be null.

They decode strictly: exactly these columns, no text for a number, and only the contract's vocabulary.
"""

from __future__ import annotations

import reprlib
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

S = str
I = int  # noqa: E741 - the contract's letter
N = float
B = bool
D = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$")]
MS = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3}$")]
Z = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]
YN = Literal["Yes", "No"]
SEC = Annotated[int, Field(ge=0)]
DAYF = Annotated[float, Field(ge=0)]
TEXT = Annotated[str, Field(pattern=r"^\d+d \d{1,2}h \d{1,2}m \d{1,2}s$")]
Kind = Literal["Warm", "Blind"]
Status = Literal["Valid", "Damaged"]
Way = Literal["Inbound", "Outbound"]


class Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


Rows = TypeVar("Rows", bound=Row)


class File(BaseModel, Generic[Rows]):
    """Talkdesk contract 5.1."""

    model_config = ConfigDict(strict=True, extra="forbid")

    type: S
    version: Literal["v1"]
    entries: list[Rows]
    total: I


class Calls(Row):
    """Talkdesk contract 6.1."""

    call_id: S
    callsid: S
    type: Literal["inbound", "outbound", "missed", "outbound_missed", "abandoned", "short_abandoned", "voicemail"]
    start_at: Z
    end_at: Z
    talkdesk_phone_number: S
    talkdesk_phone_display_name: S | None
    contact_phone_number: S
    user_id: S | None
    user_name: S | None
    user_email: S | None
    total_time: SEC
    talk_time: SEC
    wait_time: SEC
    hold_time: SEC
    abandon_time: SEC
    total_ringing_time: SEC
    disposition_code: S | None
    notes: S | None
    user_voice_rating: I | None
    ring_groups: S
    ivr_options: S
    is_in_business_hours: B
    is_callback_from_queue: B | None
    is_transfer: B
    handling_user_id: S | None
    handling_user_name: S | None
    handling_user_email: S | None
    recording_url: S | None
    is_external_transfer: B
    is_if_no_answer: B
    is_call_forwarding: B
    csat_score: I | None
    csat_survey_time: Z | Literal[""]
    team_id: S | None
    team_name: S | None
    rating_reason: S
    agent_disconnected: YN | None
    data_status: Status
    int_custom_field_n1: I | None
    int_custom_field_n2: I | None
    float_custom_field_n1: N | None
    float_custom_field_n2: N | None
    text_custom_field_n1: S | None
    text_custom_field_n2: S | None
    text_custom_field_n3: S | None
    text_custom_field_n4: S | None
    timestamp_custom_field_n1: D | None
    disposition_set: S | None
    nested_disposition: S | None
    mood: S | None
    is_mood_prompted: B | None


class Contacts(Row):
    """Talkdesk contract 6.2."""

    interaction_id: S
    contact_id: S
    company_number: S
    phone_display_name: S | None
    contact_person_number: S
    external_phone_number: S | None
    direction: Literal["IN", "OUT"]
    contact_type: Literal[
        "Answered", "Missed", "Abandoned", "Short Abandoned", "Voicemail", "Connected", "Not Connected"
    ]
    started_at: D
    wait_time: SEC | None
    time_to_missed: SEC | None
    abandon_time: SEC | None
    short_abandon_time: SEC | None
    time_to_voicemail: SEC | None
    ring_time: SEC | None
    connect_time: SEC | None
    answered_at: D | None
    connected_at: D | None
    talk_time: SEC | None
    hard_hold_time: SEC | None
    soft_hold_time: SEC | None
    hold_time: SEC | None
    after_call_work_time: SEC | None
    finished_at: D
    duration: SEC
    handle_time: SEC | None
    inside_business_hours: YN
    inside_service_level: YN
    within_service_level_threshold: YN
    transfer_out: YN
    transfer_out_type: Kind | None
    transfer_in: YN
    transfer_in_type: Kind | None
    callback: YN
    ring_groups: S | None
    user_name: S | None
    direct_assignment_user: S | None
    team_name: S | None
    user_id: S | None
    direct_assignment_ids: S | None
    team_id: S | None
    handling_ring_groups: S | None
    disconnected_by_agent: YN | None
    last_contact: YN | None
    data_status: Status


class RingAttempts(Row):
    """Talkdesk contract 6.3."""

    interaction_id: S
    contact_id: S
    batch_ring_id: S
    ring_attempt_id: S
    attempt_type: Literal["Answered", "Canceled", "Device Unavailable", "Ignored", "Rejected"] | None
    ring_started_at_time: D | None
    ring_finished_at_time: D | None
    ring_attempt_duration: SEC | None
    user_name: S | None
    user_email: S | None
    team_name: S | None
    ring_groups: S | None


class StudioFlowExecution(Row):
    """Talkdesk contract 6.4: one key has a dot inside."""

    call_sid: S
    interaction_id: S
    destination_number: S | None
    origin_number: S | None
    flow_name: S | None
    flow_id: S | None
    component_title: S | None
    step_name: S | None
    exit: S | None
    time_in_step: DAYF
    timestamp: D
    finished: Annotated[D | None, Field(alias="studio_flow_executions_aggregated.flow_execution_finished_time")]
    step_execution_order: SEC
    flow_execution_id: S | None


class UserStatus(Row):
    """Talkdesk contract 6.5."""

    user_id: S
    user_name: S
    user_email: S
    status_label: S
    status_start_at: D
    status_end_at: D
    status_time: SEC
    is_user_active: B
    team_id: S | None
    team_name: S | None
    ring_groups: S | None


class MessagingContacts(Row):
    """Talkdesk contract 6.6: one key has a hyphen inside."""

    channel_type: S
    contact_assigned_at: D | None
    contact_duration: DAYF | None
    contact_finished_at: D | None
    contact_finished_reason: S | None
    contact_handle_time: TEXT | None
    contact_id: S
    contact_person_channel_identifier: S | None
    contact_person_id: S | None
    contact_person_name: S
    contact_started_at: D
    conversation: S | None
    direct_assignment_user_id: S | None
    direct_assignment_user: S | None
    direction: Way
    disposition_name: S | None
    first_response_time: TEXT | None
    handling_queues: S | None
    interaction_duration: DAYF | None
    interaction_finished_at: D | None
    interaction_handle_time: TEXT | None
    interaction_id: S
    interaction_started_at: D
    interaction_status: S
    is_virtual_agent: Literal["YES", "NO"]
    notes: S | None
    queues: S | None
    touchpoint_identifier: S | None
    touchpoint_name: S | None
    transfer_out: YN
    user_id: S | None
    user_name: S | None
    virtual_agent_id: S | None
    virtual_agent_name: S | None
    wrap_up_duration: Annotated[DAYF | None, Field(alias="wrap-up_duration")]


class MessagingTraffic(Row):
    """Talkdesk contract 6.7."""

    contact_id: S
    channel_type: S
    contact_person_id: S | None
    contact_person_name: S
    interaction_id: S
    message_created_at: D
    message_direction: Way
    message_id: S
    user_id: S | None
    user_name: S | None


class OutboundDialerCalls(Row):
    """Talkdesk contract 6.8: five keys have a dot inside."""

    interaction_id: S
    campaign_id: S
    campaign_name: S
    campaign_agent_id: S | None
    campaign_agent_name: S | None
    campaign_transferred_agent_id: S | None
    campaign_transferred_agent_name: S | None
    record_id: S | None
    record_list_name: S | None
    attempt_number: I
    call_started_time: D
    call_finished_time: D
    callback_mode: S | None
    customer_phone_number: S
    talkdesk_phone_number: S
    description: S | None
    disposition: S | None
    outbound_dialer_system_disposition: S | None
    sip_hangup_code: S | None
    team_name: S | None
    total_duration: N | None
    in_queue: Annotated[N | None, Field(alias="create_calls_analysis.in_queue")]
    ringing_at_agent: Annotated[N | None, Field(alias="create_calls_analysis.ringing_at_agent")]
    ringing_at_customer: Annotated[N | None, Field(alias="create_calls_analysis.ringing_at_customer")]
    extra_data: Annotated[S | None, Field(alias="create_calls_analysis.outbound_dialer_record_extra_data")]
    phone_type: Annotated[S | None, Field(alias="create_calls_analysis.proactive_outbound_phone_type")]


class Feedback(Row):
    """Talkdesk contract 6.9."""

    date_time: D
    interaction_id: S
    flow_name: S
    component_id: S
    component_name: S | None
    component_type: S
    component_text: S | None
    response: S | None
    response_state: S | None
    is_kpi: YN
    pertains_to_agent: YN
    recording_url: S | None
    agent_name: S | None
    respondent_phone_number: S | None
    talkdesk_phone_number: S | None
    ring_group: S | None
    team_name: S | None
    interaction_direction: S | None
    survey_channel: S | None
    sms_error: S | None
    touch_point_id: S | None
    touch_point_name: S | None
    touch_point_value: S | None


class QmEvaluationAnalysis(Row):
    """Talkdesk contract 6.10."""

    agent: S
    agent_id: S
    agent_name: S
    agent_email: S
    evaluation_id: S
    evaluation_time: D
    evaluation_version: I
    evaluation_max_score: I
    evaluation_obtained_score: I
    evaluator_id: S
    evaluator_name: S | None
    form_id: S
    form_name: S
    section_id: S
    section_name: S
    section_max_score: I
    section_obtained_score: I
    question_id: S
    question_text: S
    question_type: S
    question_answer: S | None
    question_max_score: I | None
    question_obtained_score: I | None
    interaction_id: S
    ring_group_names: S | None
    team_name: S | None
    branch_to: S | None
    first_evaluated_on: D | None
    header_id: S | None
    header_text: S | None
    interaction_reference: S | None
    form_element_mandatory: S | None
    interaction_channel: S | None
    interaction_date: S | None
    interaction_direction: S | None
    interaction_source: S | None
    interaction_type: S | None
    evaluation_element_text: S | None


class Adherence(Row):
    """Talkdesk contract 6.11."""

    agent_name: S
    agent_email: S
    agent_ring_groups: S | None
    team_name: S | None
    account_time_zone: S
    reference_date: D
    adherence_event_start_time: D
    adherence_event_end_time: D
    adherence_event_duration: SEC
    adherence_status: Literal["Aligned", "Deviated"]
    shift_status: S
    scheduled_event_name: S | None
    scheduled_event_pay_status: S | None
    actual_status: S | None


class AuditLogs(Row):
    """Talkdesk contract 6.12: the only real array, and milliseconds."""

    actor_id: S | None
    generator_name: S | None
    ip_addresses: list[S] | None
    operation: S
    platform_tid: S | None
    resource_id: S | None
    operation_status: S
    user_agent: S | None
    timestamp: MS
    user_id: S | None
    agent_name: S | None
    agent_email: S | None


class InteractionCustomFields(Row):
    """Talkdesk contract 6.13."""

    interaction_id: S
    contact_id: S | None
    channel_type: S | None
    started_at: D
    finished_at: D
    int_custom_field_n1: I | None
    int_custom_field_n2: I | None
    float_custom_field_n1: N | None
    float_custom_field_n2: N | None
    text_custom_field_n1: S | None
    text_custom_field_n2: S | None
    text_custom_field_n3: S | None
    text_custom_field_n4: S | None
    timestamp_custom_field_n1: D | None
    updated_at: D | None


class TimeseriesReport(Row):
    """Talkdesk contract 6.14."""

    queue_id: S
    queue_name: S
    channel_type: S | None
    interval_start_time: D
    interval_duration: Literal[900]
    forecasted_contact_volume: N | None
    actual_contact_volume: I | None
    forecasted_average_handle_time: N | None
    actual_average_handle_time: N | None
    required_staffing: N | None
    scheduled_staffing: N | None
    shrinkage: N | None
    service_level: N | None
    abandoned_contacts: I | None


REPORTS: dict[str, type[Row]] = {
    "audit_logs": AuditLogs,
    "calls": Calls,
    "contacts": Contacts,
    "feedback": Feedback,
    "interaction_custom_fields": InteractionCustomFields,
    "messaging_contacts": MessagingContacts,
    "messaging_traffic": MessagingTraffic,
    "outbound_dialer_calls": OutboundDialerCalls,
    "qm_evaluation_analysis": QmEvaluationAnalysis,
    "ring_attempts": RingAttempts,
    "studio_flow_execution": StudioFlowExecution,
    "user_status": UserStatus,
    "adherence": Adherence,
    "timeseries_report": TimeseriesReport,
}

# The csv headers that are not the name split on ``_`` with each word capitalised (Talkdesk contract 6.2, 6.6 and 6.9).
LABELS: dict[str, dict[str, str]] = {
    "contacts": {
        "interaction_id": "Interaction ID",
        "contact_id": "Contact ID",
        "external_phone_number": "External Phone Number (Forward)",
        "time_to_missed": "Time to Missed",
        "time_to_voicemail": "Time to Voicemail",
        "inside_business_hours": "Inside Business Hours (Yes / No)",
        "inside_service_level": "Inside Service Level (Yes /No)",
        "within_service_level_threshold": "Within Service Level Threshold (Yes / No)",
        "transfer_out": "Transfer Out (Yes/No)",
        "transfer_in": "Transfer In (Yes / No)",
        "callback": "Callback (Yes / No)",
        "user_id": "User ID",
        "direct_assignment_ids": "Direct Assignment IDs",
        "team_id": "Team ID",
        "last_contact": "Last Contact (Yes / No)",
        "data_status": "Data Status (Valid / Damaged)",
    },
    "feedback": {"date_time": "Date & Time"},
}


def decode(report: str, content: bytes) -> File[Row]:
    """A json file, strictly; the message of a failure has each kind of mistake once, however many entries have it."""
    __tracebackhide__ = True
    generic: Any = File
    try:
        decoded: File[Row] = generic[REPORTS[report]].model_validate_json(content)
    except ValidationError as error:
        model = REPORTS[report].__name__
        raise AssertionError(f"the file of {report} does not fit {model} in {__file__}:\n{_mistakes(error)}") from None
    return decoded


def _mistakes(error: ValidationError) -> str:
    """One line per field and message, with the first value and the number of further ones."""
    found: dict[tuple[object, str], list[str]] = {}
    for each in error.errors(include_url=False):
        found.setdefault((each["loc"][-1], each["msg"]), []).append(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}, found {reprlib.repr(each['input'])}"
        )
    return "\n".join(same[0] + (f" (and {len(same) - 1} more)" if len(same) > 1 else "") for same in found.values())


def names(report: str) -> list[str]:
    """Keys on the wire, in order."""
    return [field.alias or name for name, field in REPORTS[report].model_fields.items()]


def header(report: str) -> list[str]:
    """The first line of the csv file."""
    own = LABELS.get(report, {})
    return [
        own.get(name) or " ".join(word[:1].upper() + word[1:] for word in name.split("_")) for name in names(report)
    ]


def labels_by_name(report: str) -> dict[str, str]:
    """The csv header of each key on the wire, in order."""
    return dict(zip(names(report), header(report), strict=True))
