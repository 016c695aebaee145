"""What the plug-ins are called and may be told. `etl validate` imports this file, so pyspark has no place in it."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from etl.plugins import Format, SinkStrategy


class Options(BaseModel):
    """What `options:` of a fixedwidth source may hold."""

    model_config = ConfigDict(extra="forbid")
    widths: str = Field(description="The columns' widths in characters, such as `5, 10, 8`.")

    @field_validator("widths")
    @classmethod
    def _numbers(cls, value: str) -> str:
        if not all(part.strip().isdigit() and int(part) > 0 for part in value.split(",")):
            raise ValueError("widths are whole numbers with commas between them")
        return value


FIXEDWIDTH = Format("twilight_fixedwidth.source:FixedWidth", options=Options, malformed=True)
DISTINCT = SinkStrategy("twilight_fixedwidth.sink:prepare")
